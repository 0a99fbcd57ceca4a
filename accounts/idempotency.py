"""Idempotency-Key: the same request again gets the stored answer, byte for byte, and has no second effect.

Used inside the transaction of the work itself: `begin` first, `remember` last, so that effect and answer commit
together. An advisory lock makes a copy that runs at the same time leave at once; the unique constraint on
(organization, key) is the judge when a copy slipped past it.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

KEPT_FOR_HOURS = 24
MAX_KEY_LENGTH = 255

# The lock is asked for and the stored answer read in one statement. The statement's snapshot may be older than the
# lock: a copy that committed in between is not seen here, and `remember` finds it by the constraint.
_BEGIN = f"""
SELECT pg_try_advisory_xact_lock(%s), stored.request_hash, stored.status, stored.body
FROM (SELECT 1) AS one
LEFT JOIN accounts_idempotencyrecord AS stored
  ON stored.organization_id = %s AND stored.key = %s
 AND stored.created_at > now() - interval '{KEPT_FOR_HOURS} hours'
"""  # noqa: S608 - a constant of this file

_REMEMBER = f"""
INSERT INTO accounts_idempotencyrecord AS stored (organization_id, key, request_hash, status, body, created_at)
VALUES (%s, %s, %s, %s, %s, now())
ON CONFLICT (organization_id, key) DO UPDATE
  SET request_hash = excluded.request_hash, status = excluded.status, body = excluded.body, created_at = now()
  WHERE stored.created_at <= now() - interval '{KEPT_FOR_HOURS} hours'
"""  # noqa: S608 - a constant of this file

_PRUNE = f"""
DELETE FROM accounts_idempotencyrecord WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM accounts_idempotencyrecord
  WHERE created_at <= now() - interval '{KEPT_FOR_HOURS} hours' LIMIT %s))
"""  # noqa: S608 - a constant of this file


@dataclass(frozen=True)
class Replay:
    """The stored answer: to be sent as it is."""

    status: int
    body: bytes


class StillRunning(Exception):
    """The first request with this key has not finished; 409, and the caller asks again."""


class KeyReused(Exception):
    """The key came with another body before; 422."""


class KeyUnusable(ValueError):
    """The key is empty, too long or not printable ASCII; 400."""


def begin(organization_id: UUID, key: str, body: bytes) -> Replay | None:
    """None: this request is the first with its key and holds it until the transaction ends; or the stored answer.

    Call inside the transaction that does the work.  body: the request's bytes, with whatever else tells two requests
    apart (method and path) put before them by the caller.
    Raises StillRunning, KeyReused, KeyUnusable.
    """
    if not key or len(key) > MAX_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        raise KeyUnusable(f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters")
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, [_lock_number(organization_id, key), organization_id, key])
        is_locked, stored_hash, status, stored_body = cursor.fetchone()
    if stored_hash is None:
        if not is_locked:
            raise StillRunning
        return None
    if bytes(stored_hash) != request_hash(body):
        raise KeyReused
    return Replay(status=status, body=bytes(stored_body))


def remember(*, organization_id: UUID, key: str, body: bytes, status: int, answer: bytes) -> None:
    """The answer is stored with the work of the caller's transaction, and kept for 24 h.

    Raises StillRunning when a copy of the request committed first: the caller's transaction must roll back, and asking
    again gets that copy's answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, [organization_id, key, request_hash(body), status, answer])
        if cursor.rowcount != 1:
            raise StillRunning


def prune(*, batch_size: int = 1_000) -> int:
    """Up to batch_size answers older than 24 h are gone; returns how many. Call again while it returns batch_size."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE, [batch_size])
        return int(cursor.rowcount)


def request_hash(body: bytes) -> bytes:
    """The 32 bytes by which a repeated request is compared with the first."""
    return hashlib.sha256(body).digest()


def _lock_number(organization_id: UUID, key: str) -> int:
    """A signed 64-bit number; two keys that share one (about never) only make one of them ask again."""
    digest = hashlib.blake2b(organization_id.bytes + key.encode(), digest_size=8, person=b"idempotency")
    return int.from_bytes(digest.digest(), "big", signed=True)
