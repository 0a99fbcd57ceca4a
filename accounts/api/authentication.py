"""Bearer keys: who is calling, known from memory for 4 s, so that a revoked key is refused within 5 s."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cachetools import TTLCache
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import keys, selectors, services

_UNUSED_FOR = timedelta(minutes=1)


@dataclass(frozen=True)
class AuthenticatedKey:
    """The caller, as `request.auth`."""

    organization_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    name: str

    @property
    def actor(self) -> str:
        """How the audit log names this caller."""
        return f"key:{self.key_id}"


class _KnownKeys:
    """Looked-up keys of this process. Unknown ones have a cache of their own: guessing cannot push out real keys."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._valid: TTLCache[Hashable, selectors.StoredKey] = TTLCache(maxsize=10_000, ttl=selectors.KEY_CACHE_S)
        self._unknown: TTLCache[Hashable, bool] = TTLCache(maxsize=10_000, ttl=selectors.KEY_CACHE_S)

    def find(self, hashed: bytes) -> selectors.StoredKey | None:
        with self._lock:
            if (known := self._valid.get(hashed)) is not None:
                return known
            if hashed in self._unknown:
                return None
        return self._look_up(hashed)

    def forget(self) -> None:
        with self._lock:
            self._valid.clear()
            self._unknown.clear()

    def _look_up(self, hashed: bytes) -> selectors.StoredKey | None:
        stored = selectors.key_by_hash(hashed)
        with self._lock:
            if stored is None:
                self._unknown[hashed] = True
            else:
                self._valid[hashed] = stored
        if stored is not None and _is_worth_noting(stored):
            services.note_key_use(key_id=stored.id, now=timezone.now())
        return stored


_known_keys = _KnownKeys()


def forget_known_keys() -> None:
    """The next request in this process looks its key up in the database."""
    _known_keys.forget()


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>` becomes request.auth, an AuthenticatedKey; request.user is None.

    Raises AuthenticationFailed (401) for a key that is unknown, revoked or expired, never saying which.
    """

    def authenticate(self, request: Request) -> tuple[None, AuthenticatedKey] | None:
        """The caller, or None when no Authorization header was sent."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        token = keys.bearer_token(header)
        stored = _known_keys.find(keys.hash_key(token)) if token is not None else None
        if stored is None or _is_expired(stored):
            raise AuthenticationFailed("The API key is not valid.")
        return None, AuthenticatedKey(stored.organization_id, stored.id, stored.scopes, stored.name)

    def authenticate_header(self, request: Request) -> str:
        """What a 401 says about how to authenticate."""
        return 'Bearer realm="swiftex"'


def _is_expired(stored: selectors.StoredKey) -> bool:
    return stored.expires_at is not None and stored.expires_at <= timezone.now()


def _is_worth_noting(stored: selectors.StoredKey) -> bool:
    return stored.last_used_at is None or stored.last_used_at < timezone.now() - _UNUSED_FOR
