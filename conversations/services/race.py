"""The model against the clock: an answer in time, or the reason why there is none (design.md D6)."""

import contextvars
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from threading import BoundedSemaphore
from time import monotonic
from uuid import UUID

from django.conf import settings

from conversations import llm
from conversations.engine.breaker import FAILED_STRIKES, HOPELESS_STRIKES, LATE_STRIKES, Breaker
from conversations.llm import Answer, Ask, Model
from swiftex import clock
from swiftex.database import release_connection
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.observability import metrics

logger = logging.getLogger(__name__)

# Below this an answer is too unlikely to be worth the call.
SHORTEST_CALL_S = 0.05
# An abandoned call may end a little later: an answer that was on its way keeps its connection alive.
GRACE_S = 0.25

_breakers: dict[UUID, Breaker] = {}


@dataclass(frozen=True, slots=True)
class Lap:
    """How the race ended: an answer and when it came, or the reason why there is none."""

    answer: Answer | None
    reason: str | None
    answered_at: datetime | None = None


class _Lanes:
    """A bounded executor: a call that finds every lane taken is turned away instead of waiting."""

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="model")

    def start(self, model: Model, ask: Ask, *, deadline_s: float) -> Future[Answer] | None:
        """The call, under way in a thread of its own with the caller's correlation ids; None when all are busy."""
        if not self._free.acquire(blocking=False):
            return None
        context = contextvars.copy_context()
        return self._executor.submit(context.run, self._call, model, ask, deadline_s)

    def _call(self, model: Model, ask: Ask, deadline_s: float) -> Answer:
        try:
            return llm.complete(model, ask, deadline_s=deadline_s)
        finally:
            self._free.release()


def ask_in_time(model: Model, ask: Ask, *, limit_s: float, breaker: Breaker) -> Lap:
    """The model's answer if it came within limit_s; otherwise why not, no later than limit_s from now.

    Reasons: no_time, model_down (breaker), model_busy (executor full), late, model_error, or the code of the model's
    failure (conversations/llm/base.py).  Hands the database connection back first, because it waits.
    An abandoned call ends by its own deadline, so its lane comes back.
    """
    if isinstance(model, llm.ScriptedModel):
        return Lap(model.complete(ask), None, clock.now())
    if limit_s < SHORTEST_CALL_S:
        return Lap(None, "no_time")
    started_s = monotonic()
    if not breaker.allow(now_s=started_s):
        return Lap(None, "model_down")
    release_connection()
    call = _lanes().start(model, ask, deadline_s=limit_s + GRACE_S)
    if call is None:
        return Lap(None, "model_busy")
    lap = _wait(call, limit_s=limit_s, breaker=breaker)
    outcome = "ok" if lap.answer else lap.reason or ""
    metrics.provider_call(provider="llm", outcome=outcome, seconds=monotonic() - started_s)
    return lap


def breaker_of(organization_id: UUID) -> Breaker:
    """The breaker of the organization's model in this process."""
    return _breakers.setdefault(organization_id, Breaker())


def _wait(call: Future[Answer], *, limit_s: float, breaker: Breaker) -> Lap:
    try:
        answer = call.result(timeout=limit_s)
    except TimeoutError:
        breaker.failed(strikes=LATE_STRIKES, now_s=monotonic())
        call.add_done_callback(_count_late)
        return Lap(None, "late")
    except TemporaryFailure as failure:
        breaker.failed(strikes=FAILED_STRIKES, now_s=monotonic(), retry_after_s=failure.retry_after_s)
        return Lap(None, failure.reason)
    except PermanentFailure as failure:
        breaker.failed(strikes=HOPELESS_STRIKES, now_s=monotonic())
        return Lap(None, failure.reason)
    except Exception:
        logger.exception("model call raised")
        breaker.failed(strikes=FAILED_STRIKES, now_s=monotonic())
        return Lap(None, "model_error")
    breaker.succeeded()
    return Lap(answer, None, clock.now())


def _count_late(call: Future[Answer]) -> None:
    if call.exception() is None:
        metrics.late_model_answer()


@lru_cache(maxsize=1)
def _lanes() -> _Lanes:
    return _Lanes(settings.SWIFTEX_MODEL_LANES)
