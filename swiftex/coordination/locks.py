"""Locks that save work when two would do the same; never what correctness rests on (design.md D9)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

from redis import Redis
from redis.commands.core import Script

from swiftex.coordination import connection

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@contextmanager
def hold(name: str, *, ttl_s: float) -> Iterator[bool]:
    """Inside the block: True when no other process holds the lock, or Redis is away and nobody can know.

    The lock ends with the block, or after ttl_s; whoever needs more certainty uses the database.
    """
    owner = uuid4().hex
    is_ours = _acquire(name, owner, ttl_s)
    try:
        yield is_ours
    finally:
        if is_ours:
            _release(name, owner)


def _acquire(name: str, owner: str, ttl_s: float) -> bool:
    try:
        return bool(connection.call(lambda redis: redis.set(_key(name), owner, nx=True, px=max(1, int(ttl_s * 1000)))))
    except connection.RedisAway:
        return True


def _release(name: str, owner: str) -> None:
    try:
        connection.call(lambda redis: _release_script(redis)(keys=[_key(name)], args=[owner]))
    except connection.RedisAway:
        return


@cache
def _release_script(redis: Redis) -> Script:
    return redis.register_script(_RELEASE)


def _key(name: str) -> str:
    return connection.key("lock", name)
