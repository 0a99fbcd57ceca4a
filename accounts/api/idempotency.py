"""The Idempotency-Key header at the edge of the API: docs/reference/api.md says what callers may rely on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency
from accounts.api import problems
from accounts.api.authentication import AuthenticatedKey
from accounts.api.parsing import raw_body
from accounts.api.rendering import to_json

REPLAYED_HEADER = "Idempotency-Replayed"


def once(request: Request, work: Callable[[], tuple[int, object]]) -> Response:
    """What work returned, (status, data): in one transaction with its effects, and only once per Idempotency-Key.

    Without the header work just runs in a transaction. A repeated request gets the first one's bytes and
    `Idempotency-Replayed: true`. An answer that work raises as an error is not stored: nothing had an effect.
    Raises problems for a key that is still running (409), came with another body (422) or cannot be one (400).
    """
    auth = request.auth
    if not isinstance(auth, AuthenticatedKey):
        raise TypeError("once() is for requests that an API key made")
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        with transaction.atomic():
            status, data = work()
        return Response(to_json(data), status=status)
    with key_faults_as_problems():
        return _once(auth.organization_id, key, fingerprint(request), work)


@contextmanager
def key_faults_as_problems() -> Iterator[None]:
    """What is wrong with a key inside the block leaves it as the problem that the caller is shown."""
    try:
        yield
    except idempotency.StillRunning:
        raise problems.IdempotencyStillRunning from None
    except idempotency.KeyReused:
        raise problems.IdempotencyKeyReused from None
    except idempotency.KeyUnusable as unusable:
        raise problems.invalid("Idempotency-Key", str(unusable)) from None


def fingerprint(request: Request) -> bytes:
    """What tells this request from another one under the same key: method, path and the body's bytes."""
    return f"{request.method} {request.path.rstrip('/')}\n".encode() + raw_body(request)


def _once(organization_id: UUID, key: str, body: bytes, work: Callable[[], tuple[int, object]]) -> Response:
    with transaction.atomic():
        replay = idempotency.begin(organization_id, key, body)
        if replay is not None:
            return Response(replay.body, status=replay.status, headers={REPLAYED_HEADER: "true"})
        status, data = work()
        answer = to_json(data)
        idempotency.remember(organization_id=organization_id, key=key, body=body, status=status, answer=answer)
    return Response(answer, status=status)
