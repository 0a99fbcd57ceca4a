"""Facts: recorded once, inside the transaction that makes them true, with the obligations that follow."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.dispatch import Signal

from routing import contracts, jobs, sql
from routing.jobs import NewJob
from swiftex.coordination import kick
from swiftex.database import execute
from swiftex.ids import new_id

# Sent inside the recording transaction with `event`; a receiver returns the jobs it wants, and does no I/O.
event_recorded = Signal()


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """A fact to record.

    type: dotted, past tense.  subject: what it is about, such as a lead's id.  data: as its contract says, without
    personal data.  occurred_at: None is now.  correlation_id: the lead's, where there is one.
    """

    organization_id: UUID
    type: str
    subject: str
    data: dict[str, Any]
    version: int = 1
    occurred_at: datetime | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedEvent:
    """A fact as it was stored: what a receiver of event_recorded gets."""

    id: UUID
    organization_id: UUID
    type: str
    version: int
    subject: str
    data: dict[str, Any]
    correlation_id: UUID | None


def record(*events: NewEvent) -> list[RecordedEvent]:
    """The facts and the jobs that follow from them are stored once the caller's transaction commits, or none is.

    One statement whatever the number of events.  Raises contracts.ContractBroken for data that its contract refuses,
    contracts.UnknownContract for a type or version without one, and RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a fact is recorded inside the transaction that makes it true")
    recorded = [_recorded(event) for event in events]
    if not recorded:
        return []
    statement, parameters = _insertion(events, recorded)
    wanted = [(job, event.id) for event in recorded for job in _jobs_of(event)]
    if wanted:
        jobs_statement, jobs_parameters = jobs.insertion(wanted)
        statement, parameters = (
            sql.WITH_FACTS.format(facts=statement, jobs=jobs_statement),
            parameters + jobs_parameters,
        )
        transaction.on_commit(kick.kick_relay, robust=True)
    execute(statement, parameters)
    return recorded


def _recorded(event: NewEvent) -> RecordedEvent:
    contracts.validate(type=event.type, version=event.version, data=event.data)
    return RecordedEvent(
        id=new_id(),
        organization_id=event.organization_id,
        type=event.type,
        version=event.version,
        subject=event.subject,
        data=event.data,
        correlation_id=event.correlation_id,
    )


def _insertion(events: tuple[NewEvent, ...], recorded: list[RecordedEvent]) -> tuple[str, list[Any]]:
    parameters: list[Any] = []
    for new, event in zip(events, recorded, strict=True):
        parameters += [
            event.id, event.organization_id, event.type, event.version, event.subject,
            orjson.dumps(event.data).decode(), new.occurred_at, event.correlation_id, new.causation_id,
        ]  # fmt: skip
    return sql.RECORD_EVENT.format(rows=", ".join([sql.EVENT_ROW] * len(recorded))), parameters


def _jobs_of(event: RecordedEvent) -> list[NewJob]:
    """What the receivers want done; one that raises fails the recording, since a promise would be lost."""
    wanted: list[NewJob] = []
    for _, answer in event_recorded.send(sender=event.type, event=event):
        wanted += cast("list[NewJob]", answer or [])
    return wanted
