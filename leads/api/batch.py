"""Many leads in one request: each one is a transaction of its own, so that one never undoes or delays another's."""

import hashlib
from datetime import datetime
from threading import BoundedSemaphore, Event
from time import monotonic
from typing import Any

import orjson
from django.db import transaction
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import idempotency
from accounts.api import problems
from accounts.api.idempotency import REPLAYED_HEADER, fingerprint, key_faults_as_problems
from accounts.api.rendering import to_json
from accounts.api.views import caller
from leads import services
from leads.api.serializers import MAX_LEADS_IN_BATCH, read_submission
from leads.submission import InvalidSubmission
from swiftex.database import deadline_per_step

# A frozen database is noticed by the item that meets it, however many items came before.
_ITEM_DEADLINE_S = 2.0
# A process takes so many batches at once, and has threads left for single leads (docs/adr/0009-bursts-step-aside.md).
_MOST_BATCHES = 2
_LONGEST_PAUSE_S = 0.05
_batches = BoundedSemaphore(_MOST_BATCHES)


class TooManyBatches(APIException):
    """429: this process is busy with other batches; ask again after `wait` seconds."""

    status_code = 429
    default_code = "rate-limited"
    default_detail = "Other batches are being captured."
    wait = 2.0


def capture_batch(request: Request, *, received_at: datetime) -> Response:
    """Results in the order of the request. With an Idempotency-Key the whole answer is stored when it is complete, and
    each lead under a key of its own before, so that a batch that was cut off goes on where it stopped.

    Raises TooManyBatches, before anything is captured.
    """
    items = _items(request.data)
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if not _batches.acquire(blocking=False):
        raise TooManyBatches
    try:
        with key_faults_as_problems():
            return _captured(request, items, key, received_at)
    finally:
        _batches.release()


def _captured(request: Request, items: list[Any], key: str | None, received_at: datetime) -> Response:
    organization_id = caller(request).organization_id
    body = fingerprint(request) if key is not None else b""
    if key is not None:
        with transaction.atomic():
            replay = idempotency.begin(organization_id, key, body)
        if replay is not None:
            return Response(replay.body, status=replay.status, headers={REPLAYED_HEADER: "true"})
    results = []
    for index, item in enumerate(items):
        began = monotonic()
        results.append(_result(request, index, item, key, body, received_at))
        _step_aside(monotonic() - began)
    answer = to_json(
        {
            "captured": sum(result["status"] == 202 for result in results),
            "duplicates": sum(result["status"] == 200 for result in results),
            "refused": sum(result["status"] == 400 for result in results),
            "results": results,
        }
    )
    if key is not None:
        with deadline_per_step(_ITEM_DEADLINE_S), transaction.atomic():
            idempotency.remember(organization_id=organization_id, key=key, body=body, status=200, answer=answer)
    return Response(answer, status=200)


def _step_aside(took_s: float) -> None:
    """Waits as long as the lead took, so that a batch leaves half of everything to others, however busy it is."""
    Event().wait(min(took_s, _LONGEST_PAUSE_S))


def _items(data: Any) -> list[Any]:
    items = data.get("leads")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_LEADS_IN_BATCH:
        raise problems.invalid("leads", f"must be a list of 1 to {MAX_LEADS_IN_BATCH:,} leads")
    return items


def _result(
    request: Request, index: int, item: object, key: str | None, body: bytes, received_at: datetime
) -> dict[str, Any]:
    organization_id = caller(request).organization_id
    item_key = None if key is None else f"batch:{hashlib.sha256(key.encode()).hexdigest()}:{index}"
    # Preparing reads the configuration when it has aged, so it needs the item's deadline as much as storing does.
    with deadline_per_step(_ITEM_DEADLINE_S):
        try:
            submission = read_submission(item, organization_id=organization_id)
            prepared = services.prepare(submission, received_at=received_at)
        except InvalidSubmission as fault:
            return _refused(index, problems.invalid(fault.field, fault.reason, fault.code))
        except serializers.ValidationError as faults:
            return _refused(index, faults)
        return services.retry_races(lambda: _stored(prepared, index, item_key, body))


def _stored(prepared: services.Prepared, index: int, item_key: str | None, body: bytes) -> dict[str, Any]:
    organization_id = prepared.organization.id
    with transaction.atomic():
        if item_key is not None and (replay := idempotency.begin(organization_id, item_key, body)) is not None:
            return {"index": index, "status": replay.status, "lead": orjson.loads(replay.body)}
        captured = services.store(prepared)
        status = 200 if captured.is_duplicate else 202
        if item_key is not None:
            answer = to_json(captured.as_json())
            idempotency.remember(organization_id=organization_id, key=item_key, body=body, status=status, answer=answer)
    return {"index": index, "status": status, "lead": captured.as_json()}


def _refused(index: int, error: serializers.ValidationError) -> dict[str, Any]:
    answer = problems.exception_handler(error, {})
    return {"index": index, "status": 400, "problem": orjson.loads(answer.data)}
