"""A sandbox in a process of its own, for tests and benchmarks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.client import Sandbox

_ROOT = Path(__file__).resolve().parent.parent
_STOP_TIMEOUT_S = 5.0


@contextmanager
def running_sandbox(*, port: int = 0, seed: int = 1) -> Iterator[Sandbox]:
    """A sandbox that answers on a free port (or the given one); stopped when the block is left.

    Raises SandboxError if it does not start.
    """
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--seed", str(seed)]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        # The first line it prints names its address: with port 0 only it knows.
        address = (process.stdout.readline() if process.stdout else "").strip().removeprefix("sandbox: ")
        sandbox = Sandbox(address or "http://127.0.0.1:1")
        sandbox.wait_until_up()
        yield sandbox
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
