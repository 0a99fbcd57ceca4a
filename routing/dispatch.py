"""Which due jobs go to the workers now: the credits of each queue and the fair order of organizations."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from routing import broker, sql
from routing.broker import BrokerAway, Dispatch
from swiftex.database import fetch_all
from swiftex.observability import metrics
from swiftex.queues import ARMING_HORIZON_S, PROMISES, Queue

logger = logging.getLogger(__name__)

CREDIT_FACTOR = 1.5
NEWCOMER_SHARE = 0.1
SMALLEST_QUEUE = 4
ARMED_CAPACITY = 500
# One relay at a time picks from a queue; the number only has to differ from other users of advisory locks.
_LOCK_SPACE = 0x51F7


def capacity_of(slots: int) -> tuple[int, int]:
    """How many jobs of a queue may be under way, in all and of one organization alone, for that many worker slots.

    The queue is kept a little longer than its slots, so that a freed slot finds work; one organization stays below the
    slots by a tenth, so that a newcomer's job starts at once.
    """
    if slots == 0:
        return SMALLEST_QUEUE, SMALLEST_QUEUE
    return max(SMALLEST_QUEUE, int(slots * CREDIT_FACTOR)), max(1, int(slots * (1 - NEWCOMER_SHARE)))


def dispatch_due(queues: Iterable[Queue], *, slots: Mapping[Queue, int]) -> int:
    """The due jobs that fit each queue's credits are on their way to its workers; returns how many.

    One statement for all queues; a queue that another relay is picking from is left to it.
    """
    credits_of = {queue: capacity_of(slots.get(queue, 0) * PROMISES[queue].jobs_per_message) for queue in queues}
    return _publish(_pick(sql.DISPATCH_DUE, credits_of, {}))


def dispatch_ahead() -> int:
    """The jobs due within the arming horizon are with the workers as Celery ETA tasks; returns how many."""
    if not broker.arms_ahead():
        return 0
    credits_of = {queue: (ARMED_CAPACITY, ARMED_CAPACITY) for queue in Queue if PROMISES[queue].arms_eta}
    return _publish(_pick(sql.DISPATCH_AHEAD, credits_of, {"horizon_s": ARMING_HORIZON_S}))


def _pick(
    statement: str, credits_of: Mapping[Queue, tuple[int, int]], more: Mapping[str, object]
) -> dict[Queue, list[Dispatch]]:
    parameters = {
        "queues": [queue.value for queue in credits_of],
        "ranks": [PROMISES[queue].rank for queue in credits_of],
        "capacities": [capacity for capacity, _ in credits_of.values()],
        "alone": [one_organization for _, one_organization in credits_of.values()],
        "lock_space": _LOCK_SPACE,
        **more,
    }
    picked: dict[Queue, list[Dispatch]] = defaultdict(list)
    for *row, queue in fetch_all(statement, parameters):
        picked[Queue(queue)].append(_dispatch(*row))
    return picked


def _dispatch(job_id: UUID, organization_id: UUID, kind: str, generation: int, delay_s: float) -> Dispatch:
    return Dispatch(
        job_id=job_id,
        organization_id=organization_id,
        kind=kind,
        generation=generation,
        delay_s=max(0.0, float(delay_s)),
    )


def _publish(picked: Mapping[Queue, list[Dispatch]]) -> int:
    """The rows are committed as dispatched before this; what the broker does not take, the sweep sends again."""
    sent = 0
    for queue in sorted(picked, key=lambda queue: PROMISES[queue].rank):
        try:
            broker.publish(queue, picked[queue])
        except BrokerAway as away:
            logger.warning("the broker did not take a batch", extra={"queue": queue.value, "reason": str(away)})
            continue
        metrics.jobs_dispatched(queue=queue.value, count=len(picked[queue]))
        sent += len(picked[queue])
    return sent
