"""What follows an outcome: the next channel, a pause, a person, or nothing. Pure: no Django, no clock, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from channels_out.delivery import HOLDING_STATES, NO_RECEIPT, RECEIPT_RANKS, AttemptState, Receipt

MAX_ATTEMPTS_PER_CHANNEL = 3
DEFAULT_RETRY_S = 2.0


class ErrorClass(StrEnum):
    """What an error code asks of us (reference: providers.md 1.2 and 3.4)."""

    RETRY = "retry"  # passing trouble: another channel now, the same one later
    NEXT = "next"  # this channel can't reach this person: another channel
    TEMPLATE = "template"  # free text outside the window: send the approved template
    BUG = "bug"  # our request or our configuration: another channel, and tell somebody
    CHANNEL = "channel"  # the sender as a whole is down: open its breaker, another channel
    OPT_OUT = "opt_out"  # the person said stop: nothing more, anywhere
    STOP = "stop"  # no further attempt for this message, though no opt-out


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One earlier attempt, in the order they were made.

    receipt_rank: best later report.  error: class of the refusal or of the failing receipt, if any.
    waited_s: seconds since the call started.
    """

    channel: str
    state: AttemptState
    receipt_rank: int = NO_RECEIPT
    error: ErrorClass | None = None
    retry_after_s: float | None = None
    as_template: bool = False
    waited_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Send:
    """Try this channel now."""

    channel: str
    force_template: bool = False


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Look again after so many seconds: an answer or a receipt may still come."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The only channels left may work later."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Reached:
    """An attempt stands: nothing to do."""


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """Nothing further is tried. `unresolved`: perhaps it arrived, a person has to look; else it failed for good."""

    reason: str
    unresolved: bool = False
    suppressed: bool = False


Step = Send | Wait | Retry | Reached | GiveUp


def next_step(
    *, channels: Sequence[str], tried: Sequence[Tried], unknown_wait_s: float, has_template: bool = True
) -> Step:
    """The one thing to do next for a message whose channels stand in the wanted order.

    Each channel gets at most one attempt that could have become a message; a channel that refused for a passing
    reason is asked again only when no other is left. Never raises.
    """
    stopped = next((a for a in tried if a.error in {ErrorClass.OPT_OUT, ErrorClass.STOP}), None)
    standing = _standing(tried)
    if standing is not None:
        return standing
    if stopped is not None:
        is_opt_out = stopped.error is ErrorClass.OPT_OUT
        return GiveUp(reason="opted_out" if is_opt_out else "refused_for_good", suppressed=is_opt_out)
    waiting = [unknown_wait_s - a.waited_s for a in tried if _is_open(a)]
    if any(seconds > 0 for seconds in waiting):
        return Wait(seconds=max(waiting))
    return _another(channels, tried, has_template=has_template)


def _standing(tried: Sequence[Tried]) -> Reached | None:
    failed = RECEIPT_RANKS[Receipt.FAILED]
    for attempt in tried:
        if attempt.receipt_rank > failed or attempt.receipt_rank == RECEIPT_RANKS[Receipt.SENT]:
            return Reached()
        if attempt.state is AttemptState.ACCEPTED and attempt.receipt_rank != failed:
            return Reached()
    return None


def _is_open(attempt: Tried) -> bool:
    return attempt.state in {AttemptState.SENDING, AttemptState.UNKNOWN} and attempt.receipt_rank == NO_RECEIPT


def _another(channels: Sequence[str], tried: Sequence[Tried], *, has_template: bool) -> Step:
    last = tried[-1] if tried else None
    if last and _wants_template(last, tried) and has_template and last.channel in channels:
        return Send(channel=last.channel, force_template=True)
    used = {a.channel for a in tried}
    for channel in channels:
        if channel not in used:
            return Send(channel=channel)
    waits = {channel: seconds for channel in channels if (seconds := _retry_s(channel, tried)) is not None}
    if any(_is_open(a) for a in tried):
        return GiveUp(reason="unknown_outcome", unresolved=True)
    if not waits:
        return GiveUp(reason="every_channel_failed" if tried else "no_channel")
    soonest = min(waits, key=waits.__getitem__)
    return Send(channel=soonest) if waits[soonest] <= 0 else Retry(seconds=waits[soonest])


def _wants_template(last: Tried, tried: Sequence[Tried]) -> bool:
    # Only a refusal frees the channel; an accepted text that failed later holds it for good.
    as_template = any(a.as_template for a in tried if a.channel == last.channel)
    return last.error is ErrorClass.TEMPLATE and last.state is AttemptState.REFUSED and not as_template


def _retry_s(channel: str, tried: Sequence[Tried]) -> float | None:
    mine = [a for a in tried if a.channel == channel]
    if not mine or len(mine) >= MAX_ATTEMPTS_PER_CHANNEL or any(a.state in HOLDING_STATES for a in mine):
        return None
    last = mine[-1]
    if last.state is AttemptState.ABANDONED or last.error in {ErrorClass.RETRY, ErrorClass.CHANNEL}:
        return max((last.retry_after_s or DEFAULT_RETRY_S) - last.waited_s, 0.0)
    return None
