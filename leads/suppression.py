"""Keyed hashes of identities: a suppression holds without keeping the number or address (docs/adr/0027)."""

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID

from django.conf import settings


def hash_of(organization_id: UUID, kind: str, value: str) -> str:
    """64 hex digits that stand for one identity within one organization, and tell nothing without SECRET_KEY."""
    return _hash(_key(settings.SECRET_KEY), organization_id, kind, value)


def hashes_of(organization_id: UUID, identities: Iterable[tuple[str, str]]) -> list[str]:
    """Every hash under which the identities may be suppressed: the present key's, and those it replaced."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [_hash(_key(secret), organization_id, kind, value) for kind, value in identities for secret in secrets]


def _hash(key: bytes, organization_id: UUID, kind: str, value: str) -> str:
    return hmac.digest(key, organization_id.bytes + f"{kind}\n{value}".encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"swiftex.leads.suppression\n" + secret.encode()).digest()
