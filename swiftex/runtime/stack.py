"""A whole Swiftex on one machine: services and processes in a folder of their own.

`make run`, the demo, whole-stack tests and benchmarks all start one; they differ in counts and environment only.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from swiftex.runtime import leftovers, lock, ports, probes, procfile
from swiftex.runtime.postgres import Postgres
from swiftex.runtime.problem import Problem
from swiftex.runtime.supervisor import Spec, Supervisor
from swiftex.runtime.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICE_VARIABLES = {"DATABASE_URL": Postgres, "REDIS_URL": Valkey}
DEVELOPMENT_FLOWER_AUTH = "flower:development"  # for loopback; refused in production
# Embedded services and the demo are run as root in containers every day; one line per worker about it is noise.
QUIET_ABOUT = "ignore:You're running the worker with superuser privileges"
TICK_S = 0.1
LARGEST_LOG_BYTES = 10_000_000
# /readyz asks for all of these; without one of them only /healthz can be asked.
WHOLE = {"web", "relay", "worker-greeting", "worker-reply", "worker-background"}


class Stack:
    """Services and processes, as a context manager: whatever happens inside, nothing is left running.

    folder: data, logs, chosen ports; it can be used again, and its data is found again.
    counts: how many of each process of the Procfile, `{"web": 1, "relay": 1}`; None is the usual set, {} just services.
    environment: what processes get; None is ours without the URLs of services, so that the stack has its own.
    settings: variables put on top, as {"SWIFTEX_GREETING_THREADS": "50"}.
    port: of the web server; None is a free one.  is_durable: False is for tests that measure nothing.
    say: takes one line about the stack itself.  show: takes output of processes; None lets them write to log files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        counts: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        is_durable: bool = True,
        file: Path = ROOT / "Procfile",
        say: Callable[[str], None] = lambda _: None,
        show: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._commands = procfile.read(file)
        self.counts = dict(procfile.counts_of(self._commands) if counts is None else counts)
        self._say, self._show, self._is_durable = say, show, is_durable
        own = {name: text for name, text in os.environ.items() if name not in _INHERITED_NEVER}
        self.env: dict[str, str] = {**(own if environment is None else environment), **(settings or {})}
        self._wanted_port = port
        self._services: dict[str, Postgres | Valkey] = {}
        self._lock: int | None = None
        self._supervisor: Supervisor | None = None
        self._warden: subprocess.Popen[bytes] | None = None
        self._launch = secrets.token_hex(8)

    # --- starting and ending

    def start(self, *, within_s: float | None = 90) -> Self:
        """Everything runs and is ready; raises Problem, with nothing left running, when it is not `within_s`."""
        try:
            self._take_folder()
            self._choose_ports()
            self._check_commands()
            leftovers.end_all(f"{leftovers.STACK}={self.folder}")
            self._warden = leftovers.post_warden(self._launch)
            self._supervisor = Supervisor(say=self._say, show=self._show or _drop)
            self._start_services()
            if self.counts:
                self._prepare()
                self._start_processes()
                self._wait(self.is_ready, "the processes are not ready", within_s)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Everything has ended, in order; a second call does nothing."""
        if self._supervisor is not None:
            self._supervisor.stop_all()
            self._supervisor = None
            leftovers.end_all(f"{leftovers.STACK}={self.folder}", patience_s=0.5)
        if self._warden is not None:
            self._warden.communicate()
            self._warden = None
        ports.release(str(self.folder))
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def hurry(self) -> None:
        """Who is being waited for at the end is killed instead."""
        if self._supervisor is not None:
            self._supervisor.hurry()

    def __enter__(self) -> Self:
        """As start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As stop."""
        self.stop()

    # --- where it is

    @property
    def base_url(self) -> str:
        """Of the web server, without a slash at the end."""
        return f"http://127.0.0.1:{self.env['PORT']}"

    @property
    def sandbox_url(self) -> str:
        """Of the sandbox, without a slash at the end."""
        return self.env["SWIFTEX_SANDBOX_URL"]

    @property
    def flower_url(self) -> str:
        """Of Flower, without a slash at the end."""
        return f"http://{self.env['FLOWER_ADDRESS']}:{self.env['FLOWER_PORT']}"

    def is_ready(self) -> bool:
        """True if the web server says so, and the sandbox listens; without a web server, once all run."""
        if self.counts.get("sandbox") and not probes.listens(int(self.env["SWIFTEX_SANDBOX_PORT"])):
            return False
        if not self.counts.get("web"):
            return len(self._running.pids()) == sum(self.counts.values()) + len(self._services)
        path = "/readyz" if {name for name, count in self.counts.items() if count} >= WHOLE else "/healthz"
        return probes.answers(int(self.env["PORT"]), path)

    def wait_until_ready(self, *, within_s: float = 60) -> None:
        """Ready again, after something was killed or stopped; raises Problem when it is not in time."""
        self._wait(self.is_ready, "the processes are not ready", within_s)

    # --- one process at a time; a name is a kind (`relay`, all of them), one of it (`relay.2`) or a service (`redis`)

    def pids(self, name: str) -> list[int]:
        """Process ids of what runs now under this name."""
        pids = self._running.pids()
        return [pids[each] for each in self._names(name) if each in pids]

    def kill(self, name: str, number: int = signal.SIGKILL, *, starts_again: bool = True) -> None:
        """They got the signal; those that die of it are started again at once, unless told otherwise."""
        for each in self._names(name):
            self._running.send(each, number, starts_again=starts_again)

    def freeze(self, name: str) -> None:
        """They and all their children stand still, with connections open, until `thaw`."""
        for pid in self.pids(name):
            probes.signal_tree(pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """They go on; nothing happens to those that were not frozen."""
        for pid in self.pids(name):
            probes.signal_tree(pid, signal.SIGCONT)

    def restart(self, name: str) -> None:
        """They were stopped if they ran, and run again."""
        for each in self._names(name):
            self._running.stop(each)
            self._running.resume(each)

    def stop_process(self, name: str) -> None:
        """They have ended, in their own time, and stay so until `start_process`."""
        for each in self._names(name):
            self._running.stop(each)

    def start_process(self, name: str) -> None:
        """They run again."""
        for each in self._names(name):
            self._running.resume(each)

    def stop_service(self, name: str) -> None:
        """The service (`postgres`, `redis`) has ended; its data stays."""
        self._running.stop(name)

    def start_service(self, name: str) -> None:
        """The service runs again, with its data, on the same port."""
        self._running.resume(name)
        self._wait(self._services[name].is_ready, f"{name} does not answer", 60)

    def make_whole(self, *, within_s: float = 60) -> None:
        """Whatever was killed, frozen or stopped runs again and is ready; free when nothing was."""
        for name in self._every_name():
            self.thaw(name)
            self._running.resume(name)
        for name, service in self._services.items():
            self._wait(service.is_ready, f"{name} does not answer", within_s)
        self.wait_until_ready(within_s=within_s)

    def log(self, name: str) -> str:
        """What one process has written so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def cpu_seconds_by_process(self) -> dict[str, float]:
        """CPU seconds used so far, user and system, with all children, by kind of process or service."""
        return self._sum(probes.cpu_seconds)

    def memory_by_process(self) -> dict[str, float]:
        """Bytes now, with all children, by kind; what processes share is divided among them."""
        return self._sum(probes.memory_bytes)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command (`python`, `manage.py`...) ran against this stack, its output captured."""
        return subprocess.run(  # noqa: S603 - commands of tests and of ours
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=check
        )

    # --- inside

    @property
    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the stack is not running")
        return self._supervisor

    def _names(self, name: str) -> list[str]:
        if name in self.counts:
            return [f"{name}.{number}" for number in range(1, self.counts[name] + 1)]
        return [name]

    def _sum(self, measure: Callable[[int], float]) -> dict[str, float]:
        totals: dict[str, float] = {}
        for name, pid in self._running.pids().items():
            kind = name.rpartition(".")[0] or name
            totals[kind] = totals.get(kind, 0) + measure(pid)
        return totals

    def _take_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)
        # Notices that no mail server takes are written here, and they name people.
        (self.folder / "mail").mkdir(mode=0o700, exist_ok=True)
        self._lock = lock.take(self.folder)
        if self._lock is None:
            raise Problem(
                f"another launcher uses {self.folder} (process {lock.holder_of(self.folder)})",
                "end it with `make stop`, or set SWIFTEX_DATA_DIR to another folder",
            )

    def _choose_ports(self) -> None:
        """Every port is chosen, free, and in the environment."""
        counts, env = self.counts, self.env
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
        env.update(DJANGO_SETTINGS_MODULE="swiftex.settings", PYTHONUNBUFFERED="1", SWIFTEX_DATA_DIR=str(self.folder))
        env.setdefault("PYTHONWARNINGS", QUIET_ABOUT)
        env["SWIFTEX_EXPECTED_PROCESSES"] = ",".join(f"{name}={count}" for name, count in counts.items())
        if counts.get("web"):
            port = self._wanted_port or ports.remembered_port(self.folder, "web")
            env["PORT"] = str(
                ports.require_free(port, str(self.folder), variable="PORT", host=env.get("SWIFTEX_HOST", "127.0.0.1"))
            )
        if counts.get("flower"):
            env.update(self._flower_environment())
        if counts.get("sandbox"):
            env["SWIFTEX_SANDBOX_PORT"] = str(self._port("SWIFTEX_SANDBOX_PORT", "sandbox", 9900))
            env["SWIFTEX_SANDBOX_URL"] = f"http://127.0.0.1:{env['SWIFTEX_SANDBOX_PORT']}"

    def _port(self, variable: str, name: str, preferred: int) -> int:
        text = self.env.get(variable, "")
        if not text:
            return ports.remembered_port(self.folder, name, preferred)
        if not text.isdigit() or not 1 <= int(text) <= 65535:
            raise Problem(f"{variable} is {text!r}", "set it to a number from 1 to 65535")
        return ports.require_free(int(text), str(self.folder), variable=variable)

    def _flower_environment(self) -> dict[str, str]:
        auth = self.env.get("SWIFTEX_FLOWER_AUTH", "")
        if not auth and self.env.get("SWIFTEX_ENV") == "production":
            raise Problem("SWIFTEX_FLOWER_AUTH is not set", "set it to name:password, or start --without flower")
        # By environment and not by option: a password on a command line shows in the list of processes.
        return {
            "FLOWER_ADDRESS": self.env.get("SWIFTEX_FLOWER_HOST") or "127.0.0.1",
            "FLOWER_PORT": str(self._port("SWIFTEX_FLOWER_PORT", "flower", 5555)),
            "FLOWER_BASIC_AUTH": auth or DEVELOPMENT_FLOWER_AUTH,
        }

    def _check_commands(self) -> None:
        for name in self.counts:
            program = next(word for word in shlex.split(self._commands[name]) if word != "exec" and "=" not in word)
            if shutil.which(program, path=self.env["PATH"]) is None:
                raise Problem(f"{program}, which the process {name} needs, is not installed", "run `make setup`")

    def _start_services(self) -> None:
        """Services that the environment names no URL for run, and their URLs are written down for other commands."""
        password = _password(self.folder)
        missing = [variable for variable in SERVICE_VARIABLES if not self.env.get(variable)]
        if missing and self.env.get("SWIFTEX_ENV") == "production":
            raise Problem(f"{missing[0]} is not set", "in production, set it to the URL of a server of yours")
        if "DATABASE_URL" in missing:
            self._services["postgres"] = Postgres(self.folder, password=password, is_durable=self._is_durable)
        if "REDIS_URL" in missing:
            self._services["redis"] = Valkey(self.folder, password=password)
        for name, service in self._services.items():
            _shorten(self.folder / "logs" / f"{name}.log")
            self._running.start(service.spec(self._marked()))
        for name, service in self._services.items():
            self._wait(service.is_ready, f"{name} does not start", 60)
            self.env["DATABASE_URL" if name == "postgres" else "REDIS_URL"] = service.url
        noted = {variable: self.env[variable] for variable in SERVICE_VARIABLES}
        ports.replace_text(self.folder / "services.json", json.dumps(noted))

    def _prepare(self) -> None:
        metrics = self.folder / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir()
        self.env["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        done = self.run(sys.executable, "-m", "swiftex.runtime.prepare", check=False)
        if done.returncode:
            # An exception's name and message; what it has below them is indented.
            lines = [line for line in done.stderr.splitlines() if line and not line[0].isspace()] or ["no message"]
            raise Problem(
                f"the database can't be migrated ({lines[-1]})", "run `python manage.py migrate` for the whole story"
            )

    def _start_processes(self) -> None:
        # The sandbox first: what comes after may call it.
        for name in sorted(self.counts, key=lambda name: name != "sandbox"):
            specs = [self._spec(name, number) for number in range(1, self.counts[name] + 1)]
            self._running.start(*specs)

    def _spec(self, name: str, number: int) -> Spec:
        kind, process = procfile.KINDS.get(name, procfile.OTHER), f"{name}.{number}"
        log = self.folder / "logs" / f"{process}.log"
        _shorten(log)
        return Spec(
            name=process,
            command=("/bin/sh", "-c", self._commands[name]),
            environment={**self._marked(), "SWIFTEX_ROLE": kind.role, "SWIFTEX_PROCESS": process},
            folder=ROOT,
            log=None if self._show else log,
            nice=kind.nice,
            stop_phase=kind.stop_phase,
            grace_s=kind.grace_s,
            orphan_signal=kind.orphan_signal,
        )

    def _marked(self) -> dict[str, str]:
        return {**self.env, leftovers.STACK: str(self.folder), leftovers.LAUNCH: self._launch}

    def _wait(self, is_true: Callable[[], bool], complaint: str, within_s: float | None) -> None:
        deadline = time.monotonic() + within_s if within_s else None
        while not is_true():
            if deadline and time.monotonic() > deadline:
                failing = [name for name in self._every_name() if self._running.failure_count(name)]
                hint = f" ({', '.join(failing)} keep ending)" if failing else ""
                raise Problem(f"{complaint} after {within_s:.0f} s{hint}", f"see the files in {self.folder / 'logs'}")
            threading.Event().wait(TICK_S)

    def _every_name(self) -> list[str]:
        return [*self._services, *(each for name in self.counts for each in self._names(name))]


_INHERITED_NEVER = {
    "DATABASE_URL",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "PORT",
    "PUBLIC_URL",
    "SWIFTEX_ROLE",
    "SWIFTEX_DATA_DIR",
}


def _password(folder: Path) -> str:
    """The services' own password: made once, kept readable by its owner alone."""
    noted = folder / "password"
    if not noted.exists():
        ports.replace_text(noted, secrets.token_hex(16))
    return noted.read_text()


def _shorten(log: Path) -> None:
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _drop(_: str, __: bytes) -> None:
    """Output goes to files."""
