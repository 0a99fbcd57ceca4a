"""The states of a job and the moves between them. Pure: no Django, no clock, no I/O."""

from enum import StrEnum

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 300.0
SWEEP_CAP_S = 60.0


class JobState(StrEnum):
    """Where an obligation stands (design.md section 5)."""

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    DEAD = "dead"


OPEN_STATES = frozenset({JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING})
_MOVES = {
    JobState.WAITING: {JobState.DISPATCHED, JobState.CANCELLED},
    JobState.DISPATCHED: {JobState.WAITING, JobState.RUNNING, JobState.CANCELLED, JobState.DEAD},
    JobState.RUNNING: {JobState.WAITING, JobState.DONE, JobState.DEAD},
    JobState.DONE: set(),
    JobState.CANCELLED: set(),
    JobState.DEAD: {JobState.WAITING, JobState.CANCELLED},
}


def may_move(state: JobState, *, to: JobState) -> bool:
    """True when a job may go from one state to the other."""
    return to in _MOVES[state]


def after_failure(*, attempt_count: int, max_attempts: int) -> JobState:
    """The state of a job whose attempt number `attempt_count` (from 1) has just failed."""
    if attempt_count < 1:
        raise ValueError("attempts are counted from 1")
    return JobState.DEAD if attempt_count >= max_attempts else JobState.WAITING


def backoff_s(*, attempt_count: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds to wait before the next attempt: exponential, jittered by up to a half, in [0.5, 300].

    attempt_count: attempts made so far, from 1.  retry_after_s: the other side's own hint, obeyed when longer, in full.
    jitter: uniform draw in [0, 1), passed in so that tests can fix it.
    Raises ValueError if attempt_count < 1.  Source: docs/adr/0003-back-off-on-the-row.md.
    """
    if attempt_count < 1:
        raise ValueError("attempts are counted from 1")
    steep = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempt_count - 1, 20))
    own = steep * (0.5 + jitter / 2)
    return max(own, retry_after_s) if retry_after_s is not None else own


def stale_after_s(*, first_s: float, dispatch_count: int) -> float:
    """Seconds after which a dispatched job that nobody claimed is sent again: doubled by each dispatch, capped."""
    return min(max(SWEEP_CAP_S, first_s), first_s * 2.0 ** min(max(dispatch_count - 1, 0), 10))
