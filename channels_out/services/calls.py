"""One call to a provider: built, made once, and read as yes, no or unknown. No database is touched meanwhile."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from channels_out import crash_points, senders
from channels_out.fallback import ErrorClass
from channels_out.providers.base import Accepted, Outcome, Outgoing, Refused, Unknown
from channels_out.senders import Sender
from swiftex import clock
from swiftex.coordination import breakers, windows
from swiftex.http import HttpFailure, NotSent, perform
from swiftex.observability import metrics

CALL_S = 3.0
CONNECT_S = 0.5
# What is left of an attempt's own deadline must allow a call at all; a process that slept longer does not call.
_LEAST_S = 0.2
_SILENCE = "no_answer"
# One lost answer is an accident; several within seconds mean that the sender hangs and would fill every slot.
_HUNG_CALLS = 4
_HUNG_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Called:
    """What came of the call.

    made: False when nothing left this machine.  hung: the sender keeps running into its deadline.
    """

    outcome: Outcome
    answered_at: datetime
    made: bool = True
    hung: bool = False


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A call that is written down and may be made once.  began: monotonic moment of the writing."""

    organization_id: UUID
    message_id: UUID
    attempt_id: UUID
    number: int
    sender: Sender
    outgoing: Outgoing
    began: float


def call(intent: Intent) -> Called:
    """The provider was asked once, within 3 s of the intent; never raises for what the network or the provider does."""
    left_s = CALL_S - (time.monotonic() - intent.began)
    if left_s < _LEAST_S:
        return _not_made("too_late_to_call", ErrorClass.RETRY)
    provider = intent.sender.provider
    try:
        request = provider.build_send(intent.sender.account, intent.outgoing)
    except (KeyError, ValueError):
        return _not_made("sender_incomplete", ErrorClass.BUG)
    crash_points.during("during_call")
    started = time.monotonic()
    try:
        answer = perform(request, deadline_s=left_s, connect_timeout_s=CONNECT_S)
        outcome, hung = provider.read_outcome(answer.status, answer.headers, answer.body), False
    except NotSent as failure:
        outcome, hung = Refused(code="not_sent", error=ErrorClass.RETRY, reason=failure.reason), False
    except HttpFailure as failure:
        outcome, hung = Unknown(reason=_SILENCE), failure.reason == "timeout" and _hangs(intent.sender)
    _note(intent.sender, outcome, seconds=time.monotonic() - started)
    return Called(outcome=outcome, answered_at=clock.now(), hung=hung)


def _hangs(sender: Sender) -> bool:
    counted = windows.count(f"hung:{sender.id.hex}", limit=_HUNG_CALLS, window_s=_HUNG_WITHIN_S)
    return not counted.allowed


def _not_made(reason: str, error: ErrorClass) -> Called:
    return Called(outcome=Refused(code=reason, error=error, reason=reason), answered_at=clock.now(), made=False)


def _note(sender: Sender, outcome: Outcome, *, seconds: float) -> None:
    """A refusal with a code proves that the provider is there; silence and lost connections count against it."""
    name = senders.breaker_name(sender)
    is_down = isinstance(outcome, Unknown) or (isinstance(outcome, Refused) and outcome.code == "not_sent")
    if is_down:
        breakers.failed(name)
    else:
        breakers.succeeded(name)
    words = {Accepted: "accepted", Refused: "refused", Unknown: "unknown"}
    metrics.provider_call(provider=sender.kind, outcome=words[type(outcome)], seconds=seconds)
