"""The Celery app: one task for each kind of job, named like it, and what each process does when it starts and stops."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery import Celery, signals

from swiftex.redis_transport import use_for_redis_urls
from swiftex.worker_steps import BatchedEvents

if TYPE_CHECKING:
    from routing.jobs import JobKind

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "swiftex.settings")

use_for_redis_urls()
app = Celery("swiftex")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.steps["consumer"].add(BatchedEvents)
logger = logging.getLogger(__name__)
_beats: list[threading.Event] = []


@app.on_after_finalize.connect
def add_job_tasks(sender: Celery, **_: Any) -> None:
    """Every kind of job that the apps registered is a task."""
    import django

    django.setup()
    from routing import jobs

    for kind in jobs.kinds():
        sender.task(name=kind.name)(_meeting(kind))


def _meeting(kind: "JobKind") -> Callable[..., None]:
    """The body of the task that meets jobs of this kind, one after the other, whatever becomes of each.

    hints: (job id, organization id, generation) of each; further arguments of a newer sender are ignored.
    """
    from routing import running

    def meet_jobs(hints: list[tuple[str, str, int]], *_: object, **__: object) -> None:
        for job_id, organization_id, generation in hints:
            try:
                running.run_job(
                    kind,
                    job_id=UUID(job_id),
                    organization_id=UUID(organization_id),
                    generation=generation,
                    send_again=partial(_send_again, kind, (job_id, organization_id, generation)),
                )
            except Exception:
                logger.exception("a job could not be run", extra={"kind": kind.name, "job_id": job_id})

    return meet_jobs


def _send_again(kind: "JobKind", hint: tuple[str, str, int], remaining_s: float) -> None:
    app.send_task(kind.name, args=[[hint]], queue=kind.queue.value, countdown=remaining_s)


@signals.worker_ready.connect
def start_worker_beat(sender: Any, **_: Any) -> None:
    """The relay knows this worker's queues and slots from now on."""
    from routing import heartbeats

    queues = [queue.name for queue in sender.task_consumer.queues]
    _beats.append(
        heartbeats.keep_beating(
            name=f"worker@{socket.gethostname()}:{os.getpid()}",
            role="worker",
            queues=queues,
            slots=sender.controller.concurrency,
        )
    )


@signals.worker_shutting_down.connect
def stop_worker_beat(**_: Any) -> None:
    """The relay sends this worker nothing more."""
    for stopped in _beats:
        stopped.set()


@signals.beat_init.connect
def start_scheduler_beat(**_: Any) -> None:
    """The scheduler is known to be alive."""
    from routing import heartbeats

    heartbeats.keep_beating(name=f"beat@{socket.gethostname()}:{os.getpid()}", role="beat")
