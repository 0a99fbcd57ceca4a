"""Obligations: how they are written down, moved, called off, and which function meets which kind."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from routing import sql
from swiftex.coordination import kick
from swiftex.database import execute, fetch_all
from swiftex.ids import new_id
from swiftex.queues import Queue

JobFunction = Callable[..., None]


class UnknownKind(LookupError):
    """No function meets this kind of job in this process."""


class Postponed(Exception):
    """Raised by a job that must wait without having failed: it goes back, due in `delay_s` seconds, uncounted."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"due again in {delay_s:.3f} s")
        self.delay_s = delay_s


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """An obligation to write down.

    key: names the obligation within the organization; while one with it is open, a second is not written.
    payload: the keyword arguments of the function, JSON scalars only.  delay_s counts from available_at, or from now.
    """

    organization_id: UUID
    kind: str
    key: str
    payload: dict[str, Any] = field(default_factory=dict)
    delay_s: float = 0.0
    available_at: datetime | None = None
    correlation_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """How a kind of job is run: its queue, how often it is tried, and how long a worker may hold it."""

    name: str
    queue: Queue
    attempts: int
    lease_s: float
    function: JobFunction


@dataclass(kw_only=True)
class RunningJob:
    """The job that this thread is meeting.  available_at is when it was due, dispatched_at when the relay sent it."""

    id: UUID
    organization_id: UUID
    kind: str
    key: str
    attempt: int
    max_attempts: int
    available_at: datetime
    dispatched_at: datetime | None
    started_at: datetime
    created_at: datetime
    correlation_id: UUID | None
    is_finished: bool = False


_kinds: dict[str, JobKind] = {}
_current: ContextVar[RunningJob | None] = ContextVar("current_job", default=None)


def job(*, kind: str, queue: Queue, attempts: int, lease_s: float) -> Callable[[JobFunction], JobFunction]:
    """The function meets jobs of this kind from now on; a kind has one function."""

    def register(function: JobFunction) -> JobFunction:
        if kind in _kinds and _kinds[kind].function.__module__ != function.__module__:
            raise ValueError(f"two functions meet jobs of kind {kind}")
        _kinds[kind] = JobKind(name=kind, queue=queue, attempts=attempts, lease_s=lease_s, function=function)
        return function

    return register


def kinds() -> list[JobKind]:
    """Every kind that this process knows."""
    return list(_kinds.values())


def kind_named(name: str) -> JobKind:
    """The kind of that name; raises UnknownKind."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(name) from None


def current_job() -> RunningJob | None:
    """The job that runs here, None outside one."""
    return _current.get()


def set_current(running: RunningJob | None) -> None:
    """The job that runs in this thread from now on; for the runner alone."""
    _current.set(running)


def enqueue(*jobs: NewJob) -> None:
    """The obligations are owed once the caller's transaction commits; one whose key is open already stands as it is.

    One statement for all.  Raises UnknownKind.
    """
    if jobs:
        statement, parameters = insertion((new, None) for new in jobs)
        execute(statement, parameters)
        transaction.on_commit(kick.kick_relay, robust=True)


def insertion(wanted: Iterable[tuple[NewJob, UUID | None]]) -> tuple[str, list[Any]]:
    """The one statement, with its parameters, that writes these jobs; each with the fact that it follows from."""
    rows: list[str] = []
    parameters: list[Any] = []
    for new, event_id in wanted:
        kind = kind_named(new.kind)
        rows.append(sql.JOB_ROW)
        parameters += [
            new_id(), new.organization_id, new.kind, kind.queue.value, new.key, orjson.dumps(new.payload).decode(),
            new.available_at, new.delay_s, kind.attempts, new.correlation_id, event_id,
        ]  # fmt: skip
    return sql.ENQUEUE.format(rows=", ".join(rows)), parameters


def cancel(
    *,
    organization_id: UUID,
    correlation_ids: list[UUID] | None = None,
    kinds: list[str] | None = None,
    keys: list[str] | None = None,
) -> int:
    """The waiting and dispatched jobs that fit every given list are called off; returns how many.

    A running job is not stopped: what it would send checks consent right before it does.  Raises ValueError when
    nothing narrows the choice.
    """
    if correlation_ids is None and keys is None:
        raise ValueError("name the jobs to cancel, by correlation id or by key")
    return execute(
        sql.CANCEL,
        {
            "organization_id": organization_id,
            "correlation_ids": correlation_ids,
            "kinds": kinds,
            "keys": keys,
            "end_state": "cancelled",
        },
    )


def rearm(*, organization_id: UUID, key: str, delay_s: float) -> bool:
    """The open job of that key is due `delay_s` seconds from now instead; False when there is none to move."""
    return execute(sql.REARM, {"organization_id": organization_id, "key": key, "delay_s": delay_s}) > 0


def finish_here() -> bool:
    """The running job is done when the caller's transaction commits, so its effects and its end are one commit.

    False outside a job, and when the job's lease was lost meanwhile: then somebody else has it, and the caller's
    effects still count (an accepted message stays accepted).
    """
    running = current_job()
    if running is None or running.is_finished:
        return False
    running.is_finished = True
    return finish(running)


def finish(running: RunningJob) -> bool:
    """The row is gone and its summary is in the history; False when this attempt no longer holds it."""
    gone = fetch_all(
        sql.FINISH,
        {
            "id": running.id,
            "organization_id": running.organization_id,
            "attempts": running.attempt,
            "end_state": "done",
        },
    )
    return bool(gone)
