"""Waking the relay after a commit: a hint that may be lost, for the relay also looks by itself."""

import logging
import os
from threading import Event, Lock, Thread

from swiftex.coordination import connection

logger = logging.getLogger(__name__)

_LONGEST_WAIT_S = 1.0
_PUSH = """
redis.call('LPUSH', KEYS[1], 1)
redis.call('LTRIM', KEYS[1], 0, 0)
"""


class Kicker:
    """A thread that tells Redis; many kicks while it speaks become one."""

    def __init__(self) -> None:
        self._wanted = Event()
        self._starting = Lock()
        self._thread: Thread | None = None

    def kick(self) -> None:
        """Redis will be told soon; takes microseconds, whatever state Redis is in."""
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._serve, name="kick-relay", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        push = connection.client().register_script(_PUSH)
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                connection.breaker.call(lambda: push(keys=[_key()]))
            except connection.RedisAway:
                continue
            except Exception:  # the thread must outlive whatever goes wrong in it
                logger.exception("kicking the relay failed")


_kicker = Kicker()


def kick_relay() -> None:
    """A relay wakes up soon if Redis is there; never blocks and never raises."""
    _kicker.kick()


def wait_for_kick(timeout_s: float) -> bool:
    """Whether a kick came within timeout_s; without Redis it waits that long and says False.

    One of several waiting relays gets a kick.  Call it from one thread of a process.
    """
    wait_s = min(timeout_s, _LONGEST_WAIT_S)
    try:
        return connection.breaker.call(lambda: connection.waiting_client().blpop([_key()], wait_s)) is not None
    except connection.RedisAway:
        Event().wait(wait_s)
        return False


def _key() -> str:
    return connection.key("kick")


def _forget_thread() -> None:
    global _kicker  # a forked child has no threads but the one that forked
    _kicker = Kicker()


os.register_at_fork(after_in_child=_forget_thread)
