"""Keeps processes running: starts, starts again with back-off, and ends them in order (docs/adr/0010)."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")
TICK_S = 0.1
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 15.0
# A process that ran this long before it died starts a new series of delays.
STEADY_S = 20.0
LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One process to keep running.

    log: file its output is appended to; None hands each line to the supervisor's `show`.
    orphan_signal: what it gets should we die without a word.  prefix: a command that runs the command.
    before_start: called before every start, to clear away what a dead predecessor left.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path | None = None
    nice: int = 0
    stop_phase: int = 0
    grace_s: float = 5
    stop_signal: int = signal.SIGTERM
    orphan_signal: int = signal.SIGKILL
    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None
    before_start: Callable[[], None] | None = None

    def leashed(self) -> list[str]:
        """The command line that ends with this process."""
        settings = {
            "parent": os.getpid(),
            "nice": self.nice,
            "orphan_signal": int(self.orphan_signal),
            "uid": self.uid,
            "gid": self.gid,
        }
        return [*self.prefix, sys.executable, "-I", "-S", str(LEASH), json.dumps(settings), *self.command]


@dataclass
class _Child:
    spec: Spec
    process: subprocess.Popen[bytes] | None = None
    is_wanted: bool = True
    failure_count: int = 0
    started_at: float = 0.0
    due_at: float = field(default=0.0)


class Supervisor:
    """Runs in a thread of its own, which starts every process and lives until all have ended.

    Linux binds "die with your parent" to the thread that forked, so no other thread may start one. All methods may be
    called from any thread; they return when the thing is done.
    """

    def __init__(self, *, say: Callable[[str], None], show: Callable[[str, bytes], None]) -> None:
        self._say, self._show = say, show
        self._children: dict[str, _Child] = {}
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue()
        self._hurry = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, *specs: Spec) -> None:
        """Each is running, or will be tried again with back-off until it is stopped."""
        self._ask(lambda: self._add(specs))

    def stop(self, name: str) -> None:
        """The process has ended and stays so until `resume`."""
        self._ask(lambda: self._stop_some([self._children[name]]))

    def resume(self, name: str) -> None:
        """A stopped or dead process runs again, at once."""
        self._ask(lambda: self._resume(self._children[name]))

    def send(self, name: str, number: int, *, starts_again: bool = True) -> None:
        """The process got the signal; with `starts_again=False` it stays dead until `resume`, should it die of it."""
        self._ask(lambda: self._send(self._children[name], number, starts_again))

    def stop_all(self) -> None:
        """Everything has ended, phase by phase. A second call does nothing."""
        if self._thread.is_alive():
            self._ask(self._stop_all)
            self._thread.join()

    def hurry(self) -> None:
        """Who is being waited for is killed instead."""
        self._hurry.set()

    def pids(self) -> dict[str, int]:
        """Process ids of what runs now, by name."""
        running = {name: child.process for name, child in list(self._children.items())}
        return {name: process.pid for name, process in running.items() if process and process.returncode is None}

    def failure_count(self, name: str) -> int:
        """How often in a row it died soon after its start."""
        return self._children[name].failure_count

    # --- below: in the supervisor's thread only

    def _run(self) -> None:
        while not self._is_over:
            with contextlib.suppress(queue.Empty):
                self._inbox.get(timeout=TICK_S)()
            for child in self._children.values():
                self._look_after(child)

    def _ask(self, work: Callable[[], T]) -> T:
        answer: Future[T] = Future()

        def perform() -> None:
            try:
                answer.set_result(work())
            except Exception as error:  # noqa: BLE001 - handed to the caller
                answer.set_exception(error)

        self._inbox.put(perform)
        return answer.result()

    def _add(self, specs: tuple[Spec, ...]) -> None:
        for spec in specs:
            self._children[spec.name] = _Child(spec)
            self._spawn(self._children[spec.name])

    def _resume(self, child: _Child) -> None:
        child.is_wanted, child.failure_count = True, 0
        self._reap(child)
        if child.process is None:
            self._spawn(child)

    def _send(self, child: _Child, number: int, starts_again: bool) -> None:
        child.is_wanted = child.is_wanted and starts_again
        if child.process is not None:
            child.process.send_signal(number)

    def _look_after(self, child: _Child) -> None:
        if self._is_over:
            return
        status = self._reap(child)
        if status is not None and child.is_wanted:
            ran_s = time.monotonic() - child.started_at
            child.failure_count = 1 if ran_s > STEADY_S else child.failure_count + 1
            delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (child.failure_count - 1))
            child.due_at = time.monotonic() + delay_s
            self._say(f"{child.spec.name} {_ending(status)}; starting it again in {delay_s:.2g} s")
        if child.process is None and child.is_wanted and time.monotonic() >= child.due_at:
            self._spawn(child)

    def _spawn(self, child: _Child) -> None:
        spec = child.spec
        if spec.before_start:
            spec.before_start()
        output: IO[bytes] | int = spec.log.open("ab") if spec.log else subprocess.PIPE
        # A session of its own: Ctrl-C reaches the launcher alone, and what it leaves behind can be ended as a group.
        child.process = subprocess.Popen(  # noqa: S603 - commands come from the Procfile and from us
            spec.leashed(),
            cwd=spec.folder,
            env=dict(spec.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        child.started_at = time.monotonic()
        if not isinstance(output, int):
            output.close()
        elif child.process.stdout is not None:
            threading.Thread(target=self._pump, args=(spec.name, child.process.stdout), daemon=True).start()

    def _pump(self, name: str, stream: IO[bytes]) -> None:
        for line in stream:
            self._show(name, line)
        stream.close()

    def _reap(self, child: _Child) -> int | None:
        """Its exit status, once, if it has ended since the last look; what it left in its group is killed."""
        if child.process is None:
            return None
        status = child.process.poll()
        if status is not None:
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process = None
        return status

    def _stop_all(self) -> None:
        self._is_over = True
        for phase in sorted({child.spec.stop_phase for child in self._children.values()}):
            self._stop_some([child for child in self._children.values() if child.spec.stop_phase == phase])

    def _stop_some(self, children: list[_Child]) -> None:
        for child in children:
            child.is_wanted = False
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(child.spec.stop_signal)
        began_at, killed = time.monotonic(), set[str]()
        while waiting := [child for child in children if not self._has_ended(child)]:
            for child in waiting:
                if self._is_out_of_time(child, time.monotonic() - began_at) and child.spec.name not in killed:
                    killed.add(child.spec.name)
                    self._kill(child)
            threading.Event().wait(0.02)

    def _has_ended(self, child: _Child) -> bool:
        self._reap(child)
        return child.process is None

    def _kill(self, child: _Child) -> None:
        if child.process is not None:
            self._say(f"{child.spec.name} did not end in time; killing it")
            _signal_group(child.process.pid, signal.SIGKILL)

    def _is_out_of_time(self, child: _Child, waited_s: float) -> bool:
        return waited_s > child.spec.grace_s or (self._hurry.is_set() and waited_s > 1)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
