"""Followers fold what was stored into something else, in batches, inside the relay processes, one relay at a time."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction

logger = logging.getLogger(__name__)
_LOCK_SPACE = 0x51F8
_PAUSE_AFTER_ERROR_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Follower:
    """fold: handles one batch and returns how many rows it took.

    interval_s: the pause between batches, which is left out after a full one.  full_batch: rows of a full batch.
    """

    name: str
    interval_s: float
    full_batch: int
    fold: Callable[[], int]


_followers: dict[str, Follower] = {}


def follower(*, name: str, interval_s: float, full_batch: int = 1) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """The function runs in the relays from now on, and is called again at once when its batch was full."""

    def register(fold: Callable[[], int]) -> Callable[[], int]:
        _followers[name] = Follower(name=name, interval_s=interval_s, full_batch=full_batch, fold=fold)
        return fold

    return register


def all_followers() -> list[Follower]:
    """Every follower that this process knows."""
    return list(_followers.values())


def fold_once(one: Follower) -> int:
    """One batch is folded in one transaction, unless another process is at it; returns the rows taken."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_SPACE, one.name])
        if not cursor.fetchone()[0]:
            return 0
        return one.fold()


def run_followers(stopped: threading.Event) -> None:
    """Folds until the event is set; one that fails is tried again after a pause and holds up no other."""
    due_at = dict.fromkeys(_followers, 0.0)
    while not stopped.is_set():
        for one in all_followers():
            if time.monotonic() >= due_at[one.name]:
                due_at[one.name] = time.monotonic() + _pause_s(one)
        stopped.wait(max(0.005, min(due_at.values(), default=1.0) - time.monotonic()))
    connection.close()


def _pause_s(one: Follower) -> float:
    try:
        return 0.0 if fold_once(one) >= one.full_batch else one.interval_s
    except DatabaseError:
        logger.warning("the database did not answer a follower", extra={"follower": one.name})
        connection.close()
    except Exception:
        logger.exception("a follower failed", extra={"follower": one.name})
        connection.close()
    return _PAUSE_AFTER_ERROR_S
