"""How many requests a minute are taken, per key and per organization (docs/reference/api.md).

Counted in Redis for all processes. A limit below 400 a minute is counted one by one and exact; above it a process
reserves half a percent at a time, so that a busy key costs Redis one call in many requests. With Redis away everything
is allowed: a lead too many is better than one lost.
"""

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass

from cachetools import TTLCache
from django.conf import settings
from rest_framework.exceptions import APIException

from accounts.api.authentication import AuthenticatedKey
from swiftex.coordination import windows

WINDOW_S = 60
_RESERVATIONS_PER_WINDOW = 200


@dataclass(frozen=True)
class Allowance:
    """What is left of a limit. remaining: requests in this minute, as far as this process knows; reset_s: its end."""

    limit: int
    remaining: int
    reset_s: int
    is_allowed: bool

    def headers(self) -> dict[str, str]:
        """The RateLimit headers of an answer."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


class RateLimited(APIException):
    """429: ask again after `wait` seconds."""

    status_code = 429
    default_code = "rate-limited"
    default_detail = "Too many requests in this minute."

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self.wait = allowance.reset_s
        self.headers = allowance.headers()


@dataclass
class _Reservation:
    left: int
    remaining: int


_lock = threading.Lock()
_reservations: TTLCache[Hashable, _Reservation] = TTLCache(maxsize=20_000, ttl=WINDOW_S)


def check_limits(auth: AuthenticatedKey) -> Allowance:
    """The request is counted for its key and its organization; returns the tighter of the two, raises RateLimited."""
    now = time.time()
    of_key = take(f"key:{auth.key_id}", limit=settings.SWIFTEX_API_KEY_REQUESTS_PER_MINUTE, now=now)
    if not of_key.is_allowed:
        raise RateLimited(of_key)
    limit = settings.SWIFTEX_API_ORGANIZATION_REQUESTS_PER_MINUTE
    of_organization = take(f"organization:{auth.organization_id}", limit=limit, now=now)
    if not of_organization.is_allowed:
        raise RateLimited(of_organization)
    return min(of_key, of_organization, key=lambda allowance: allowance.remaining)


def take(name: str, *, limit: int, now: float) -> Allowance:
    """One request of `limit` a minute is used up under this name, or is_allowed says that none is left.

    now: seconds since 1970; windows are the minutes of the clock, so that every process agrees where they end.
    """
    minute = int(now // WINDOW_S)
    reset_s = WINDOW_S - int(now % WINDOW_S)
    slot = (name, minute)
    with _lock:
        reserved = _reservations.get(slot)
        if reserved is not None and reserved.left > 0:
            reserved.left -= 1
            return Allowance(limit, reserved.remaining + reserved.left, reset_s, is_allowed=True)
    amount = max(1, limit // _RESERVATIONS_PER_WINDOW)
    counted = windows.count(f"api:{name}:{minute}", limit=limit, window_s=WINDOW_S + 1, fails_open=True, amount=amount)
    if not counted.allowed:
        return Allowance(limit, 0, reset_s, is_allowed=False)
    if amount > 1:
        with _lock:
            _reservations[slot] = _Reservation(left=amount - 1, remaining=counted.remaining)
    return Allowance(limit, counted.remaining + amount - 1, reset_s, is_allowed=True)
