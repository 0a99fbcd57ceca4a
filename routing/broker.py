"""The only place that hands jobs to Celery.

A message is a hint (job, organization, generation); the row is the truth.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import current_app

from swiftex.queues import Queue


class BrokerAway(Exception):
    """The broker did not take the messages; some may have arrived all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispatch:
    """One message to a worker.  delay_s: how long the worker holds it before it starts, 0 for at once."""

    job_id: UUID
    organization_id: UUID
    kind: str
    generation: int
    delay_s: float = 0.0


def publish(queue: Queue, dispatches: Iterable[Dispatch]) -> None:
    """The messages are in the queue, in one batch where the broker takes batches; raises BrokerAway."""
    try:
        producer = _producer()
        with producer.batch(500):
            for dispatch in dispatches:
                current_app.send_task(
                    dispatch.kind,
                    args=[str(dispatch.job_id), str(dispatch.organization_id), dispatch.generation],
                    queue=queue.value,
                    countdown=dispatch.delay_s or None,
                    producer=producer,
                )
    except Exception as error:
        raise _away(error) from error


def queue_length(queue: Queue) -> int | None:
    """Messages that wait in the broker's queue, None when the broker can't be asked."""
    try:
        connection = _connection()
        channel = connection.default_channel
        with suppress(*connection.channel_errors):
            return int(channel.queue_declare(queue=queue.value, passive=True).message_count)
        return 0
    except Exception as error:  # noqa: BLE001 - see _away
        _away(error)
        return None


def _away(error: Exception) -> BrokerAway:
    """Each transport raises errors of its own, and after any of them this thread's connection is not to be trusted."""
    connection = vars(_here).pop("connection", None)
    vars(_here).pop("producer", None)
    with suppress(Exception):
        if connection is not None:
            connection.collect()
    return BrokerAway(type(error).__name__)


def arms_ahead() -> bool:
    """True when the broker's workers can hold ETA tasks cheaply: Redis can, RabbitMQ's classic queues can't."""
    return str(current_app.conf.broker_url).startswith(("redis://", "rediss://"))


# One connection for each thread that talks to the broker, a new one after a failure. Celery's pool is not used: closed
# after a failure it stays closed, and emptied it blocks for ever.
_here = threading.local()


def _connection() -> Any:
    if not hasattr(_here, "connection"):
        _here.connection = current_app.connection_for_write()
    return _here.connection


def _producer() -> Any:
    if not hasattr(_here, "producer"):
        _here.producer = current_app.amqp.Producer(_connection().default_channel)
    return _here.producer
