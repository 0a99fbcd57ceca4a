"""A lead goes to the CRM: one row per lead, tried until it is there; every try carries the same webhook id."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import TTLCache, cached
from django.db import transaction

from channels_out.crm import http_endpoint
from channels_out.models import CrmConnection, CrmSync
from leads.selectors import lead_for_greeting
from routing.events import NewEvent, record
from routing.jobs import NewJob, current_job, enqueue, finish_here
from swiftex import clock
from swiftex.database import execute, fetch_one
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.http import HttpFailure, perform
from swiftex.ids import new_id
from swiftex.observability import metrics

SYNC_S = 10.0
SUPPORTED_KINDS = frozenset({"http"})
_connections: TTLCache[Hashable, CrmConnection | None] = TTLCache(maxsize=2_000, ttl=2.0)

_BEGIN = """
INSERT INTO channels_out_crmsync (id, organization_id, connection_id, lead_id, attempts)
VALUES (%(id)s, %(organization_id)s, %(connection_id)s, %(lead_id)s, 1)
ON CONFLICT (connection_id, lead_id) DO UPDATE
SET attempts = channels_out_crmsync.attempts + CASE channels_out_crmsync.state WHEN 'synced' THEN 0 ELSE 1 END
RETURNING id, state, attempts
"""
_END = """
UPDATE channels_out_crmsync SET state = %(state)s::text, remote_id = %(remote_id)s, reason = %(reason)s,
       synced_at = CASE WHEN %(state)s::text = 'synced' THEN clock_timestamp() ELSE synced_at END
WHERE organization_id = %(organization_id)s AND id = %(id)s AND state <> 'synced'
"""


@dataclass(frozen=True)
class _Begun:
    id: UUID
    state: str
    attempt: int


def sync_lead(*, organization_id: UUID, lead_id: UUID) -> None:
    """The organization's CRM has the lead and `lead.synced` is recorded once; nothing happens without a CRM.

    Raises TemporaryFailure (try again, with the endpoint's Retry-After) or PermanentFailure; both leave the reason
    on the lead's sync row.  A second call for a synced lead does nothing.
    """
    connection = crm_of(organization_id)
    lead = lead_for_greeting(organization_id=organization_id, lead_id=lead_id)
    if connection is None or lead is None:
        return
    begun = _begin(connection, lead_id)
    if begun.state == "synced":
        return
    if connection.kind not in SUPPORTED_KINDS:
        raise _failed(organization_id, begun, PermanentFailure("crm_kind_not_supported"))
    secrets = [s for s in (_secret(connection, "secret"), _secret(connection, "previous_secret")) if s]
    request = http_endpoint.build_sync(
        url=connection.base_url, secrets=secrets, lead=lead, sync_id=f"sync_{begun.id.hex}", at=clock.now()
    )
    began_at = clock.now()
    try:
        answer = perform(request, deadline_s=SYNC_S)
        remote_id = http_endpoint.read_sync(answer.status, answer.headers, answer.body)
    except HttpFailure as failure:
        _count("unknown", began_at)
        raise _failed(organization_id, begun, TemporaryFailure(failure.reason)) from None
    except (TemporaryFailure, PermanentFailure) as failure:
        _count("refused", began_at)
        raise _failed(organization_id, begun, failure) from None
    _count("ok", began_at)
    _store_synced(organization_id, lead_id, begun, connection.kind, remote_id)


@cached(_connections, lock=threading.Lock())
def crm_of(organization_id: UUID) -> CrmConnection | None:
    """The organization's CRM, at most 2 s old. Shared by threads: do not change it."""
    return CrmConnection.objects.filter(organization_id=organization_id, is_active=True).first()


def forget_cached_connections() -> None:
    """The next sync in this process asks the database."""
    _connections.clear()


def sync_again(*, organization_id: UUID, lead_id: UUID) -> None:
    """The lead is sent to the CRM once more, also if it was there already. Inside the caller's transaction or alone."""
    with transaction.atomic():
        CrmSync.objects.filter(organization_id=organization_id, lead_id=lead_id).update(state="waiting", reason="")
        enqueue(
            NewJob(
                organization_id=organization_id,
                kind="sync_lead",
                key=f"sync:{lead_id}",
                payload={"organization_id": str(organization_id), "lead_id": str(lead_id)},
                correlation_id=lead_id,
            )
        )


def _begin(connection: CrmConnection, lead_id: UUID) -> _Begun:
    parameters = {
        "id": new_id(),
        "organization_id": connection.organization_id,
        "connection_id": connection.id,
        "lead_id": lead_id,
    }
    row = fetch_one(_BEGIN, parameters)
    assert row is not None  # noqa: S101 - an upsert always returns its row
    return _Begun(*row)


def _secret(connection: CrmConnection, name: str) -> str:
    credentials: dict[str, Any] = dict(connection.credentials or {})
    return str(credentials.get(name) or "")


def _count(outcome: str, began_at: datetime) -> None:
    seconds = (clock.now() - began_at).total_seconds()
    metrics.provider_call(provider="crm_http", outcome=outcome, seconds=seconds)


def _failed(
    organization_id: UUID, begun: _Begun, failure: TemporaryFailure | PermanentFailure
) -> TemporaryFailure | PermanentFailure:
    running = current_job()
    is_last = running is not None and running.attempt >= running.max_attempts
    state = "failed" if isinstance(failure, PermanentFailure) or is_last else "waiting"
    execute(
        _END,
        {
            "organization_id": organization_id, "id": begun.id, "state": state, "remote_id": "",
            "reason": failure.reason[:60],
        },
    )  # fmt: skip
    return failure


def _store_synced(organization_id: UUID, lead_id: UUID, begun: _Begun, kind: str, remote_id: str) -> None:
    with transaction.atomic():
        is_new = execute(
            _END,
            {
                "organization_id": organization_id, "id": begun.id, "state": "synced", "remote_id": remote_id,
                "reason": "",
            },
        )  # fmt: skip
        if is_new:
            record(
                NewEvent(
                    organization_id=organization_id,
                    type="lead.synced",
                    subject=str(lead_id),
                    data={
                        "lead_id": str(lead_id),
                        "connection": kind,
                        "remote_id": remote_id or None,
                        "attempt": begun.attempt,
                    },
                    correlation_id=lead_id,
                )
            )
        finish_here()
