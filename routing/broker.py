"""The only place that hands jobs to Celery.

A message is a hint (job, organization, generation); the row is the truth.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import current_app

from swiftex.queues import PROMISES, Queue


class BrokerAway(Exception):
    """The broker did not take the messages; some may have arrived all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispatch:
    """One job on its way to a worker.  delay_s: how long the worker holds it before it starts, 0 for at once."""

    job_id: UUID
    organization_id: UUID
    kind: str
    generation: int
    delay_s: float = 0.0

    def as_hint(self) -> tuple[str, str, int]:
        """What the message carries of the job."""
        return str(self.job_id), str(self.organization_id), self.generation


def publish(queue: Queue, dispatches: Iterable[Dispatch]) -> None:
    """The messages are in the queue, in one batch where the broker takes batches; raises BrokerAway."""
    try:
        producer = _producer()
        with producer.batch(500):
            for together in _messages(dispatches, PROMISES[queue].jobs_per_message):
                current_app.send_task(
                    together[0].kind,
                    args=[[dispatch.as_hint() for dispatch in together]],
                    queue=queue.value,
                    countdown=together[0].delay_s or None,
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


def _messages(dispatches: Iterable[Dispatch], jobs_per_message: int) -> Iterator[list[Dispatch]]:
    """Jobs that travel together: of one kind and organization, and none that has to wait in the worker."""
    together: dict[tuple[str, UUID], list[Dispatch]] = {}
    for dispatch in dispatches:
        if dispatch.delay_s:
            yield [dispatch]
            continue
        group = together.setdefault((dispatch.kind, dispatch.organization_id), [])
        group.append(dispatch)
        if len(group) == jobs_per_message:
            yield together.pop((dispatch.kind, dispatch.organization_id))
    yield from together.values()


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
