"""Finds and ends what a launcher that died without a word left running.

Run as `python -m swiftex.runtime.leftovers MARK`: ends all that carry the mark once standard input is closed, which
happens however the launcher dies. The kernel's own signal on a parent's death (leash.py) does not reach grandchildren.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from swiftex.runtime.problem import Problem

# Every process we start carries both: the data folder of its stack, and which launch of it.
STACK, LAUNCH = "SWIFTEX_STACK", "SWIFTEX_LAUNCH"
PATIENCE_S, KILLED_WITHIN_S = 3.0, 5.0


def pids_of(mark: str) -> list[int]:
    """Ids of all processes with this `NAME=value` in their environment. Empty where there is no /proc."""
    wanted = mark.encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if wanted in _environment(path)]


def end_all(mark: str, *, patience_s: float = PATIENCE_S) -> None:
    """None of them runs any more; they get `patience_s` to end by themselves (they were told when we died)."""
    deadline = time.monotonic() + patience_s
    while pids := pids_of(mark):
        if time.monotonic() > deadline + KILLED_WITHIN_S:
            raise Problem(f"processes {pids} of an earlier start can't be ended", "end them, or restart the machine")
        if time.monotonic() > deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        threading.Event().wait(0.05)


def post_warden(launch: str) -> subprocess.Popen[bytes]:
    """A process that ends those of this launch should we die without a word: its standard input closes with us."""
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "swiftex.runtime.leftovers", f"{LAUNCH}={launch}"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _environment(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    end_all(sys.argv[1])
