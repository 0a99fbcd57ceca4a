"""Loopback ports: chosen once, remembered in a folder, chosen again when somebody else took them."""

import json
import os
import random
import socket
from pathlib import Path

from swiftex.runtime.problem import Problem

# Below the range that the kernel draws outgoing connections from (32768 on), so that no client of ours sits on one.
LOWEST, HIGHEST = 15000, 29999


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True if a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on now; drawn at random, so that two starting at once rarely meet."""
    draw = random.SystemRandom()
    for _ in range(1000):
        port = draw.randint(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise Problem(f"no free port between {LOWEST} and {HIGHEST} on 127.0.0.1", "stop some of what listens there")


def require_free(port: int, *, variable: str, host: str = "127.0.0.1") -> int:
    """The port, free; raises Problem with the variable that moves it."""
    if is_free(port, host):
        return port
    raise Problem(
        f"port {port} is already in use",
        f"stop what listens there or choose another, for example {variable}={port + 1}",
    )


def remembered_port(folder: Path, name: str, preferred: int | None = None) -> int:
    """The port that `name` had in this folder, or the preferred one, or a new one; free now, and remembered."""
    noted = folder / "ports.json"
    ports: dict[str, int] = json.loads(noted.read_text()) if noted.exists() else {}
    for port in (ports.get(name), preferred):
        if port is not None and is_free(port):
            break
    else:
        port = free_port()
    if ports.get(name) != port:
        replace_text(noted, json.dumps({**ports, name: port}))
    return port


def replace_text(path: Path, text: str) -> None:
    """The file holds the text, whole, readable by its owner alone; a reader sees the old or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    draft.replace(path)
