"""Loopback ports: chosen once, remembered in a folder, chosen again when somebody else took them.

A chosen port is claimed as long as this process lives: the program it is for listens seconds later only, and another
launcher that starts meanwhile would find it free.
"""

import json
import os
import random
import socket
import sys
from pathlib import Path

from swiftex.runtime.problem import Problem

# Below the range that the kernel draws outgoing connections from (32768 on), so that no client of ours sits on one.
LOWEST, HIGHEST = 15000, 29999
_claims: dict[int, tuple[str, socket.socket]] = {}


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True if a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def claim(port: int, owner: str, host: str = "127.0.0.1") -> bool:
    """True if the port is free and this owner's from now on; False if it is taken or another launcher's.

    A name in Linux's abstract socket space is the claim: seen by all users of the machine, gone when we are.
    """
    if port in _claims:
        return _claims[port][0] == owner and is_free(port, host)
    name = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            name.bind(f"\0swiftex-port-{port}")
    except OSError:
        name.close()
        return False
    if not is_free(port, host):
        name.close()
        return False
    _claims[port] = (owner, name)
    return True


def release(owner: str) -> None:
    """The owner's claims are nobody's; a second call does nothing."""
    for port in [port for port, (claimant, _) in _claims.items() if claimant == owner]:
        _claims.pop(port)[1].close()


def free_port(owner: str) -> int:
    """A port that nobody listens on or claims; drawn at random, so that two starting at once rarely meet."""
    draw = random.SystemRandom()
    for _ in range(1000):
        port = draw.randint(LOWEST, HIGHEST)
        if claim(port, owner):
            return port
    raise Problem(f"no free port between {LOWEST} and {HIGHEST} on 127.0.0.1", "stop some of what listens there")


def require_free(port: int, owner: str, *, variable: str, host: str = "127.0.0.1") -> int:
    """The port, claimed; raises Problem with the variable that moves it."""
    if claim(port, owner, host):
        return port
    raise Problem(
        f"port {port} is already in use",
        f"stop what listens there or choose another, for example {variable}={port + 1}",
    )


def remembered_port(folder: Path, name: str, preferred: int | None = None) -> int:
    """The port that `name` had in this folder, or the preferred one, or a new one; claimed by the folder."""
    noted, owner = folder / "ports.json", str(folder)
    ports: dict[str, int] = json.loads(noted.read_text()) if noted.exists() else {}
    for port in (ports.get(name), preferred):
        if port is not None and claim(port, owner):
            break
    else:
        port = free_port(owner)
    if ports.get(name) != port:
        replace_text(noted, json.dumps({**ports, name: port}))
    return port


def replace_text(path: Path, text: str) -> None:
    """The file holds the text, whole, readable by its owner alone; a reader sees the old or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    draft.replace(path)
