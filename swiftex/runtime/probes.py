"""Looks at processes from outside: do they listen, do they answer, what do they use."""

import contextlib
import http.client
import socket

with contextlib.suppress(ImportError):
    # For tests and benchmarks; the product runs without it.
    import psutil


def listens(port: int) -> bool:
    """True if something accepts connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def answers(port: int, path: str) -> bool:
    """True if GET gives 200 within 3 s."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, of its children, and of children that have ended."""
    return sum(map(_cpu_seconds, _tree(pid)))


def memory_bytes(pid: int) -> float:
    """Bytes of a process and its children; what several share is divided among them."""
    return sum(map(_memory_bytes, _tree(pid)))


def signal_tree(pid: int, number: int) -> None:
    """The process and all its children, if they are still there, got the signal."""
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _tree(pid: int) -> list["psutil.Process"]:
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _cpu_seconds(process: "psutil.Process") -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        used = process.cpu_times()
        return float(used.user + used.system + used.children_user + used.children_system)
    return 0.0


def _memory_bytes(process: "psutil.Process") -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        return float(process.memory_full_info().pss)
    return 0.0
