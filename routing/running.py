"""A worker meets one job: it takes the row, calls the function, and writes down how it went."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson

from routing import jobs, sql
from routing.job_states import JobState, after_failure, backoff_s
from routing.jobs import JobKind, Postponed, RunningJob
from swiftex import clock
from swiftex.database import execute, fetch_all, fetch_one
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.observability import correlation, metrics

logger = logging.getLogger(__name__)
SendAgain = Callable[[float], None]


def run_job(kind: JobKind, *, job_id: UUID, organization_id: UUID, generation: int, send_again: SendAgain) -> None:
    """The job is met once if this message is the first to claim it, and nothing happens otherwise.

    send_again: called with the remaining seconds when the message came before the job is due.
    """
    claimed = _claim(kind, job_id, organization_id, generation)
    if claimed is None:
        remaining_s = _remaining_s(job_id, organization_id, generation)
        if remaining_s is not None and remaining_s > 0:
            send_again(remaining_s)
        return
    running, payload = claimed
    jobs.set_current(running)
    try:
        with correlation.bind(
            correlation_id=str(running.correlation_id or running.id),
            organization_id=str(organization_id),
            job_id=str(job_id),
        ):
            _meet(kind, running, payload)
    finally:
        jobs.set_current(None)


def _claim(
    kind: JobKind, job_id: UUID, organization_id: UUID, generation: int
) -> tuple[RunningJob, dict[str, Any]] | None:
    rows = fetch_all(
        sql.CLAIM,
        {"id": job_id, "organization_id": organization_id, "generation": generation, "lease_s": kind.lease_s},
    )
    if not rows:
        return None
    key, payload, attempt, most, available_at, dispatched_at, started_at, correlation_id, created_at = rows[0]
    running = RunningJob(
        id=job_id,
        organization_id=organization_id,
        kind=kind.name,
        key=key,
        attempt=attempt,
        max_attempts=most,
        available_at=available_at,
        dispatched_at=dispatched_at,
        started_at=started_at,
        created_at=created_at,
        correlation_id=correlation_id,
    )
    return running, payload if isinstance(payload, dict) else orjson.loads(payload)


def _remaining_s(job_id: UUID, organization_id: UUID, generation: int) -> float | None:
    row = fetch_one(sql.REMAINING, {"id": job_id, "organization_id": organization_id, "generation": generation})
    return None if row is None else float(row[0])


def _meet(kind: JobKind, running: RunningJob, payload: dict[str, Any]) -> None:
    outcome = "done"
    began = time.monotonic()
    try:
        kind.function(**payload)
    except Postponed as turn:
        outcome = "postponed"
        _put_back(running, state=JobState.WAITING, delay_s=turn.delay_s, failure=None)
    except TemporaryFailure as failure:
        outcome = "failed"
        _store_failure(running, reason=failure.reason, retry_after_s=failure.retry_after_s)
    except PermanentFailure as failure:
        outcome = "dead"
        logger.warning("job failed for good", extra={"kind": kind.name, "reason": failure.reason})
        _put_back(running, state=JobState.DEAD, delay_s=0, failure=failure.reason)
    except Exception as error:
        outcome = "failed"
        logger.exception("job raised", extra={"kind": kind.name})
        _store_failure(running, reason=f"raised {type(error).__name__}", retry_after_s=None)
    else:
        if not running.is_finished:
            jobs.finish(running)
    metrics.queue_wait(queue=kind.queue.value, seconds=(running.started_at - running.available_at).total_seconds())
    metrics.job_duration(kind=kind.name, outcome=outcome, seconds=time.monotonic() - began)


def _store_failure(running: RunningJob, *, reason: str, retry_after_s: float | None) -> None:
    state = after_failure(attempt_count=running.attempt, max_attempts=running.max_attempts)
    delay_s = backoff_s(attempt_count=running.attempt, retry_after_s=retry_after_s, jitter=random.random())  # noqa: S311
    _put_back(running, state=state, delay_s=delay_s, failure=reason)


def _put_back(running: RunningJob, *, state: JobState, delay_s: float, failure: str | None) -> None:
    """The row waits or is dead; `failure` is added to its list, None leaves the attempt uncounted.

    Also after finish_here(): if the transaction that held the finish was rolled back, the row is still ours.
    """
    entry = (
        None
        if failure is None
        else orjson.dumps(
            [{"attempt": running.attempt, "at": clock.now().isoformat(), "error": failure[:300]}]
        ).decode()
    )
    execute(
        sql.PUT_BACK,
        {
            "id": running.id,
            "organization_id": running.organization_id,
            "attempts": running.attempt,
            "state": state.value,
            "delay_s": delay_s,
            "uncounted": 1 if failure is None else 0,
            "failure": entry,
        },
    )
