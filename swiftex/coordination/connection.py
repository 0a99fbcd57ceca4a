"""The process's connections to Redis: short timeouts, and a breaker so that a dead Redis costs nothing."""

import logging
from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import TypeVar

from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from swiftex.observability import metrics

T = TypeVar("T")
logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 0.25
SOCKET_TIMEOUT_S = 0.5
SKIP_AFTER_FAILURE_S = 1.0
KEY_PREFIX = "swiftex:"


class RedisAway(Exception):
    """Redis didn't answer, or didn't a moment ago; the caller goes on without it."""


class Breaker:
    """Lets calls through until one fails, then none for SKIP_AFTER_FAILURE_S.  Shared by the threads of a process."""

    def __init__(self) -> None:
        self._skip_until = 0.0

    def call(self, action: Callable[[], T]) -> T:
        """The action's result; raises RedisAway when Redis failed now or less than a second ago."""
        if monotonic() < self._skip_until:
            raise RedisAway
        try:
            return action()
        except (RedisError, OSError) as error:
            self.open()
            raise RedisAway from error

    def open(self) -> None:
        """Redis is left alone for a second."""
        self._skip_until = monotonic() + SKIP_AFTER_FAILURE_S
        metrics.redis_failure()
        logger.warning("redis is away, going on without it")


breaker = Breaker()


@cache
def client() -> Redis:
    """The process's Redis client; its pool grows with the threads that use it."""
    return _connect(SOCKET_TIMEOUT_S)


@cache
def waiting_client() -> Redis:
    """A client for calls that block up to a second; used by one thread."""
    return _connect(SOCKET_TIMEOUT_S + 1.5)


def call(action: Callable[[Redis], T]) -> T:
    """The action's result; raises RedisAway."""
    return breaker.call(lambda: action(client()))


def key(*parts: str) -> str:
    """The name under which Redis knows something of ours."""
    return KEY_PREFIX + ":".join(parts)


def _connect(socket_timeout_s: float, url: str | None = None) -> Redis:
    return Redis.from_url(
        url or settings.REDIS_URL,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=socket_timeout_s,
        socket_keepalive=True,
        max_connections=500,
        retry=Retry(NoBackoff(), 0),
        client_name=f"swiftex-{settings.SWIFTEX_ROLE}",
    )


def eviction_policy(url: str) -> str | None:
    """What that Redis does when its memory is full, None when it can't be asked; `noeviction` is the one that keeps."""
    try:
        with _connect(SOCKET_TIMEOUT_S, url) as asked:
            answer = asked.config_get("maxmemory-policy")
    except (RedisError, OSError):
        return None
    return str(answer.get("maxmemory-policy", "")) or None
