"""One launcher at a time uses a data folder."""

import contextlib
import fcntl
import os
from pathlib import Path


def take(folder: Path) -> int | None:
    """The open file that holds the folder, or None when another launcher has it. Closing it gives it back."""
    lock = os.open(folder / "launcher.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def holder_of(folder: Path) -> int | None:
    """Process id of the launcher that holds the folder, None if there is none."""
    with contextlib.suppress(FileNotFoundError, ValueError), (folder / "launcher.lock").open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(stream.read())
    return None
