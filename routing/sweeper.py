"""What got stuck moves again: leases that ran out, and messages that the broker lost."""

import logging
from collections import Counter

from routing import broker, sql
from routing.job_states import SWEEP_CAP_S
from swiftex.database import execute, fetch_all
from swiftex.observability import metrics
from swiftex.queues import PROMISES, Queue

logger = logging.getLogger(__name__)
MOST_DISPATCHES = 25
SWEEP_BATCH = 500


def sweep() -> int:
    """Every job whose worker died waits again or is dead, and so does every job whose message was lost; how many."""
    return _sweep_expired_leases() + sum(_sweep_lost_messages(queue) for queue in Queue)


def _sweep_expired_leases() -> int:
    swept = Counter(fetch_all(sql.SWEEP_EXPIRED_LEASES))
    for (kind, state), count in swept.items():
        logger.warning("leases ran out", extra={"kind": kind, "state": state, "jobs": count})
    return swept.total()


def _sweep_lost_messages(queue: Queue) -> int:
    """Only as many rows as the broker's queue is shorter than it should be: a long queue is slow, not lost."""
    first_s = PROMISES[queue].stale_after_s
    [(dispatched, is_any_stale)] = fetch_all(sql.COUNT_DISPATCHED, {"queue": queue.value, "first_s": first_s})
    messages = broker.queue_length(queue) if is_any_stale else None
    # A message may carry several jobs: as many as it can are taken to be on their way still.
    length = None if messages is None else messages * PROMISES[queue].jobs_per_message
    if length is None or length >= dispatched:
        return 0
    swept = execute(
        sql.SWEEP_LOST_MESSAGES,
        {
            "queue": queue.value,
            "first_s": first_s,
            "cap_s": SWEEP_CAP_S,
            "most": min(dispatched - length, SWEEP_BATCH),
            "most_dispatches": MOST_DISPATCHES,
        },
    )
    if swept:
        logger.warning("messages were lost and are sent again", extra={"queue": queue.value, "jobs": swept})
        metrics.jobs_swept(queue=queue.value, count=swept)
    return swept


def report_queues() -> None:
    """The gauges of queue depth, queue age and dead letters show what the rows say."""
    figures = {row[0]: row[1:] for row in fetch_all(sql.QUEUE_FIGURES)}
    for queue in Queue:
        depth, age_s, _ = figures.get(queue.value, (0, 0.0, 0))
        metrics.queue_state(queue=queue.value, depth=depth, age_s=age_s)
    metrics.dead_letters(sum(dead for _, _, dead in figures.values()))
