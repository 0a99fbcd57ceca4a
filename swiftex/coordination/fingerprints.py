"""Things seen before: a shortcut in front of a unique constraint, which stays the judge (design.md D9).

To spare the database a duplicate, ask `is_known` first and `remember` after the commit: a process that dies in between
has then forgotten nothing that the database doesn't know.
"""

from swiftex.coordination import connection


def is_known(name: str) -> bool:
    """Whether `remember(name)` was called within its time; False when Redis is away or forgot."""
    try:
        return bool(connection.call(lambda redis: redis.exists(_key(name))))
    except connection.RedisAway:
        return False


def remember(name: str, ttl_s: float) -> None:
    """`is_known(name)` says True for ttl_s; nothing happens when Redis is away."""
    _mark(name, ttl_s)


def seen(name: str, ttl_s: float) -> bool:
    """Whether this was seen within ttl_s, and from now on it was; False when Redis is away.

    Only where a repeat may be dropped even if the first one was never finished; otherwise see the module's first lines.
    """
    return _mark(name, ttl_s) is False


def forget(name: str) -> None:
    """`name` counts as never seen."""
    try:
        connection.call(lambda redis: redis.delete(_key(name)))
    except connection.RedisAway:
        return


def _mark(name: str, ttl_s: float) -> bool | None:
    """True: first time; False: seen before; None: Redis is away."""
    try:
        return bool(connection.call(lambda redis: redis.set(_key(name), 1, nx=True, px=max(1, int(ttl_s * 1000)))))
    except connection.RedisAway:
        return None


def _key(name: str) -> str:
    return connection.key("seen", name)
