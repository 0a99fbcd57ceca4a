"""Rates and counts, atomic in Redis for all processes; without Redis each process counts in its memory.

It then grants its share only: the limit divided by SWIFTEX_FALLBACK_PROCESSES (docs/adr/0016-redis-hurries.md).
"""

import math
from functools import cache
from threading import Lock
from time import monotonic
from typing import NamedTuple

from cachetools import TTLCache
from django.conf import settings
from redis import Redis
from redis.commands.core import Script

from swiftex.coordination import connection

# A bucket is one number: the moment (in ms) at which it will be full again (generic cell rate algorithm).
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000 + now[2] / 1000
local interval = 1000 / tonumber(ARGV[1])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = full_at + interval - now - interval * tonumber(ARGV[2])
if wait > 0.0001 then return tostring(wait / 1000) end
redis.call('SET', KEYS[1], string.format('%.3f', full_at + interval), 'PX', math.ceil(full_at + interval - now) + 1)
return '0'
"""
_COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""

_memory_lock = Lock()
_full_at: TTLCache[str, float] = TTLCache(maxsize=10_000, ttl=3600)
_counts: TTLCache[str, tuple[int, float]] = TTLCache(maxsize=10_000, ttl=86_400)


class Counted(NamedTuple):
    """The answer of `count`: whether this one is still within the limit, how many are left, seconds until it resets."""

    allowed: bool
    remaining: int
    retry_after_s: float


def take_token(name: str, *, rate_per_s: float, burst: float) -> float:
    """0.0 when a token was taken; otherwise the seconds after which one will be free (nothing was taken then).

    rate_per_s: tokens that come back each second, over 0.  burst: how many a full bucket holds, at least 1.
    """
    try:
        return float(connection.call(lambda redis: _take(redis, name, rate_per_s, burst)))
    except connection.RedisAway:
        share = settings.SWIFTEX_FALLBACK_PROCESSES
        return _take_from_memory(name, rate_per_s / share, max(1.0, burst / share), monotonic())


def count(name: str, *, limit: int, window_s: float, fails_open: bool = False, amount: int = 1) -> Counted:
    """Counts one more in the window that began with the first, and says whether it is within the limit.

    amount: counts that many at once, and says whether all of them are.
    fails_open: without Redis allow everything (intake: a lead too many is better than one lost), not just a share.
    """
    try:
        number, left_ms = connection.call(lambda redis: _count(redis, name, window_s, amount))
    except connection.RedisAway:
        if fails_open:
            return Counted(True, limit, 0.0)
        share = max(1, limit // settings.SWIFTEX_FALLBACK_PROCESSES)
        return _count_in_memory(name, share, window_s, monotonic(), amount)
    return _counted(number, limit, max(left_ms, 0) / 1000)


def _take(redis: Redis, name: str, rate_per_s: float, burst: float) -> str:
    return str(_script(redis, _TAKE)(keys=[connection.key("bucket", name)], args=[rate_per_s, burst]).decode())


def _count(redis: Redis, name: str, window_s: float, amount: int) -> tuple[int, int]:
    arguments = [max(1, int(window_s * 1000)), amount]
    number, left_ms = _script(redis, _COUNT)(keys=[connection.key("count", name)], args=arguments)
    return int(number), int(left_ms)


@cache
def _script(redis: Redis, source: str) -> Script:
    return redis.register_script(source)


def _take_from_memory(name: str, rate_per_s: float, burst: float, now: float) -> float:
    interval = 1 / rate_per_s
    with _memory_lock:
        full_at = max(_full_at.get(name, 0.0), now)
        wait_s = full_at + interval - now - interval * burst
        if wait_s > 1e-6:
            return wait_s
        _full_at[name] = full_at + interval
        return 0.0


def _count_in_memory(name: str, limit: int, window_s: float, now: float, amount: int) -> Counted:
    with _memory_lock:
        number, resets_at = _counts.get(name, (0, 0.0))
        if now >= resets_at:
            number, resets_at = 0, now + window_s
        _counts[name] = (number + amount, resets_at)
    return _counted(number + amount, limit, resets_at - now)


def _counted(number: int, limit: int, left_s: float) -> Counted:
    if number <= limit:
        return Counted(True, limit - number, 0.0)
    return Counted(False, 0, math.ceil(left_s * 1000) / 1000)
