"""The whole stack that tests share, and the ORM of the pytest process pointed at its database."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
from django.db import connections
from django.test import override_settings

from swiftex.runtime.stack import Stack

# Everything but Flower. Tests that need other counts start a stack of their own.
COUNTS = {
    "web": 1,
    "relay": 2,
    "worker-greeting": 2,
    "worker-reply": 1,
    "worker-background": 1,
    "beat": 1,
    "sandbox": 1,
}
# Two cores run all of it: few threads start faster and are enough.
SETTINGS = {
    "SWIFTEX_ALLOW_PRIVATE_HOSTS": "true",
    "SWIFTEX_GREETING_THREADS": "40",
    "SWIFTEX_REPLY_THREADS": "5",
    "SWIFTEX_SYNC_THREADS": "10",
}


def whole_stack(folder: Path) -> Stack:
    """Not started yet; its services skip fsync, which no test of ours can notice."""
    return Stack(folder, counts=COUNTS, settings=SETTINGS, is_durable=False)


@contextlib.contextmanager
def orm_pointed_at(stack: Stack) -> Iterator[None]:
    """Inside, models, settings and the coordination of this process use the services of the stack."""
    before = connections.settings["default"]
    connections["default"].close()
    connections.settings["default"] = {**before, **_address(stack.env["DATABASE_URL"])}
    connections["default"] = connections.create_connection("default")
    redis_url = stack.env["REDIS_URL"]
    broker_url = f"{redis_url.rpartition('/')[0]}/1"
    try:
        with override_settings(REDIS_URL=redis_url, CELERY_BROKER_URL=broker_url, PUBLIC_URL=stack.base_url):
            _forget_redis_clients()
            yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        connections["default"] = connections.create_connection("default")
        _forget_redis_clients()


def _address(database_url: str) -> dict[str, object]:
    parsed = dj_database_url.parse(database_url)
    return {name: parsed[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}


def _forget_redis_clients() -> None:
    from swiftex.coordination import connection

    connection.client.cache_clear()
    connection.waiting_client.cache_clear()
