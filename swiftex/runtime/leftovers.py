"""Finds and ends what a launcher that died without a word left running."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

from swiftex.runtime.problem import Problem

# Every process we start carries this variable, with the data folder of its stack as the value.
MARK = "SWIFTEX_STACK"
KILLED_WITHIN_S = 5.0


def pids_of(folder: Path) -> list[int]:
    """Ids of all processes that were started for this data folder. Empty where there is no /proc."""
    mark = f"{MARK}={folder}".encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _environment(path)]


def end_all(folder: Path, *, patience_s: float) -> None:
    """None of them runs any more; they get `patience_s` to end by themselves (they were told when we died)."""
    deadline = time.monotonic() + patience_s
    while pids := pids_of(folder):
        if time.monotonic() > deadline + KILLED_WITHIN_S:
            raise Problem(f"processes {pids} of an earlier start can't be ended", "end them, or restart the machine")
        if time.monotonic() > deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        threading.Event().wait(0.05)


def _environment(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []
