"""The four queues: their ranks, promises and sizes stand here and nowhere else."""

from dataclasses import dataclass
from enum import StrEnum


class Queue(StrEnum):
    """Names of the queues, most urgent first."""

    GREETING = "greeting"
    REPLY = "reply"
    FOLLOWUP = "followup"
    SYNC = "sync"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a queue promises.

    rank: 0 is served first.  stale_after_s: a dispatched job that no worker has claimed by then is sent again.
    arms_eta: whether a job due within the arming horizon travels ahead as a Celery ETA task (docs/adr/0004).
    dispatch_interval_s: the relay looks for due jobs of the queue this often; 0 is at every round.
    jobs_per_message: at most so many jobs of one kind and organization travel in one message, and run one by one.
    """

    rank: int
    stale_after_s: float
    arms_eta: bool
    dispatch_interval_s: float = 0.0
    jobs_per_message: int = 1


PROMISES = {
    Queue.GREETING: Promise(rank=0, stale_after_s=5, arms_eta=False),
    Queue.REPLY: Promise(rank=1, stale_after_s=15, arms_eta=True),
    Queue.FOLLOWUP: Promise(rank=2, stale_after_s=60, arms_eta=True, dispatch_interval_s=0.25),
    Queue.SYNC: Promise(rank=3, stale_after_s=60, arms_eta=True, dispatch_interval_s=0.25, jobs_per_message=5),
}
ARMING_HORIZON_S = 15
VISIBILITY_TIMEOUT_S = 120
