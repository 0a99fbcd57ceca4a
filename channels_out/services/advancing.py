"""A message that is known goes one step on: its call is made, its outcome waited for, or its end written down."""

import hashlib
import time
from collections.abc import Container
from uuid import UUID

from django.db import transaction

from accounts.selectors import organization_by_id
from channels_out import crash_points, fallback, senders, sql
from channels_out.delivery import NO_RECEIPT, AttemptState, MessageStatus
from channels_out.fallback import GiveUp, Reached, Retry, Send, Step, Wait
from channels_out.providers.base import Accepted, Outgoing, Refused
from channels_out.services import outcomes
from channels_out.services.calls import CALL_S, Intent, call
from channels_out.services.orders import Delivered
from channels_out.services.outcomes import Obliged
from channels_out.services.standing import Standing, lock, settle_attempt
from routing.jobs import Postponed, current_job, enqueue, finish_here
from swiftex import clock
from swiftex.database import fetch_all, fetch_one
from swiftex.ids import new_id

OUR_JOBS = frozenset({"settle_message", "deliver_next"})
_PASSING_PAUSE_S = 2.0
_GRACE_S = 0.2
_RATHER_TWICE = "at_least_once"


def settle_call(about: Obliged, intent: Intent) -> Delivered:
    """The intent's call is made and its outcome stored; after a certain no the next step is taken at once."""
    called = call(intent)
    crash_points.reach("after_call")
    outcome = called.outcome
    if isinstance(outcome, Accepted):
        outcomes.store_accepted(about, intent, outcome, at=called.answered_at)
        crash_points.reach("after_commit_before_ack")
        return Delivered(message_id=about.message_id, state="accepted", channel_name=intent.sender.name)
    if isinstance(outcome, Refused):
        outcomes.store_refused(about, intent, outcome, made=called.made)
        return advance(organization_id=about.organization_id, message_id=about.message_id)
    outcomes.store_unknown(about, intent, reason=outcome.reason, hung=called.hung)
    return Delivered(
        message_id=about.message_id, state="sending", channel_name=intent.sender.name, reason=outcome.reason
    )


def advance(*, organization_id: UUID, message_id: UUID) -> Delivered:
    """The message is one step further, whoever left it where it was; a settled one stays as it is.

    An attempt that was being made when its process died becomes unknown, and its channel is not asked again.  In a
    job of ours Postponed is raised when there is something to wait for; elsewhere such a job is enqueued and the
    running one is done.  Not inside a transaction.
    """
    with transaction.atomic():
        standing = lock(organization_id, message_id)
        if standing is None or standing.is_settled or standing.proven:
            return _leave(message_id, standing)
        intent, step = _take_step(standing)
    if intent is not None:
        crash_points.reach("after_intent")
        return settle_call(standing.about, intent)
    if isinstance(step, Wait | Retry) and _in_our_job():
        raise Postponed(step.seconds)
    return _after(message_id, step)


def _leave(message_id: UUID, standing: Standing | None) -> Delivered:
    """Nothing more is sent for it; what a receipt proved is written down."""
    if standing is not None and standing.proven:
        _resolve(standing)
        return Delivered(message_id=message_id, state=MessageStatus.ACCEPTED.value)
    finish_here()
    return _where(message_id, standing)


def _take_step(standing: Standing) -> tuple[Intent | None, Step]:
    """The step is written down; an intent is still to be acted on, after the commit."""
    intent: Intent | None = None
    step = _choose(standing)
    if isinstance(step, Send):
        intent, step = _next_intent(standing, step)
    if isinstance(step, Wait | Retry):
        _come_back(standing, step.seconds)
    elif isinstance(step, GiveUp):
        _give_up(standing, step)
    elif isinstance(step, Reached):
        finish_here()
    return intent, step


def take_up_what_was_left() -> int:
    """Messages in doubt that no job takes care of have one again; how many were looked at.

    Inside the caller's transaction.  An obligation that is open stands as it is.
    """
    rows = fetch_all(sql.IN_DOUBT)
    enqueue(
        *(
            outcomes.settle_job_of(organization_id=organization_id, message_id=message_id, lead_id=lead_id)
            for organization_id, message_id, lead_id in rows
        )
    )
    return len(rows)


def _where(message_id: UUID, standing: Standing | None) -> Delivered:
    if standing is None:
        return Delivered(message_id=None, state="suppressed", reason="gone")
    last = standing.attempts[-1].sender if standing.attempts else None
    return Delivered(message_id=message_id, state=standing.status.value, channel_name=last.name if last else None)


def _after(message_id: UUID, step: Step) -> Delivered:
    if isinstance(step, GiveUp):
        return Delivered(message_id=message_id, state=_end_of(step), reason=step.reason)
    return Delivered(message_id=message_id, state="accepted" if isinstance(step, Reached) else "sending")


def _choose(standing: Standing) -> Step:
    """The next step; a channel that it names has granted a token. One without a token gives way to the next."""
    waits: dict[str, float] = {}
    step = _decide(standing, busy=waits)
    while isinstance(step, Send):
        wait_s = senders.take_token(standing.configured.by_name[step.channel])
        if wait_s <= 0:
            return step
        waits[step.channel] = wait_s
        step = _decide(standing, busy=waits)
    return Retry(seconds=min(waits.values()) + _GRACE_S) if waits and isinstance(step, Retry) else step


def _decide(standing: Standing, *, busy: Container[str] = ()) -> Step:
    """The next step, in view of which channels are fit to be asked now and how old the message is."""
    calling = [a.call_left_s for a in standing.attempts if a.tried.state is AttemptState.SENDING]
    if calling:
        return Wait(seconds=max(calling) + _GRACE_S)
    usable, is_passing = _usable(standing, busy)
    step = fallback.next_step(
        channels=usable,
        tried=[attempt.tried for attempt in standing.attempts],
        unknown_wait_s=standing.about.unknown_wait_s,
        has_template=bool(standing.template_name),
    )
    again = _to_ask_again(standing, usable)
    if again and (isinstance(step, Send) or (isinstance(step, GiveUp) and step.unresolved)):
        step = again
    if isinstance(step, GiveUp) and not step.suppressed and step.reason != "refused_for_good" and is_passing:
        step = Retry(seconds=_PASSING_PAUSE_S)
    if isinstance(step, Send | Retry) and standing.is_late:
        was_tried = bool(standing.attempts)
        return GiveUp(reason="too_late", unresolved=was_tried, suppressed=not was_tried)
    return step


def _to_ask_again(standing: Standing, usable: list[str]) -> Send | None:
    """The channel whose one unknown attempt is made again, where the organization wants rather twice than never."""
    last = standing.attempts[-1].tried if standing.attempts else None
    if last is None or last.state is not AttemptState.UNKNOWN or last.receipt_rank != NO_RECEIPT:
        return None
    times = sum(attempt.tried.channel == last.channel for attempt in standing.attempts)
    if times > 1 or last.channel not in usable:
        return None
    if organization_by_id(standing.about.organization_id).on_ambiguous != _RATHER_TWICE:
        return None
    return Send(channel=last.channel, force_template=last.as_template)


def _usable(standing: Standing, busy: Container[str]) -> tuple[list[str], bool]:
    """The names of the channels that may be asked, and whether one more may come back soon."""
    template = standing.configured.templates.get(standing.template_name)
    now = clock.now()
    names: list[str] = []
    is_passing = False
    tried = {attempt.tried.channel for attempt in standing.attempts}
    for name in standing.channel_names:
        sender = standing.configured.by_name.get(name)
        if sender is None or sender.kind in standing.unreachable_kinds:
            continue
        reason = senders.passed_over(sender, phone=standing.phone, template=template, now=now)
        if name in busy:
            is_passing = True
        elif reason is None:
            names.append(name)
        elif reason in senders.PASSING_REASONS and name not in tried:
            is_passing = True
    return names, is_passing


def _next_intent(standing: Standing, step: Send) -> tuple[Intent | None, Step]:
    """The intent of a further attempt, or the step to take instead."""
    sender = standing.configured.by_name[step.channel]
    for attempt in standing.attempts:
        if attempt.tried.channel == step.channel and attempt.tried.state is AttemptState.UNKNOWN:
            settle_attempt(standing.about.organization_id, attempt.id, AttemptState.ABANDONED, "sent_again")
    template = standing.configured.templates.get(standing.template_name)
    is_template = (
        template is not None
        and sender.kind == "whatsapp_cloud"
        and (step.force_template or sender.id not in standing.window_channel_ids)
    )
    number, attempt_id, began = len(standing.attempts) + 1, new_id(), time.monotonic()
    row = fetch_one(
        sql.NEXT_ATTEMPT,
        {
            "organization_id": standing.about.organization_id,
            "message_id": standing.about.message_id,
            "attempt_id": attempt_id,
            "channel_id": sender.id,
            "number": number,
            "as_template": is_template,
            "text_hash": hashlib.sha256(standing.text.encode()).digest(),
            "call_s": CALL_S,
            "max_age_s": standing.max_age_s,
        },
    )
    if row is None or row[0] is not None:
        return None, GiveUp(reason=row[0] if row else "gone", suppressed=True)
    if not row[1]:
        return None, Wait(seconds=CALL_S)
    outgoing = Outgoing(
        attempt_id=attempt_id,
        to=standing.phone,
        text=standing.text,
        template=template if is_template else None,
        parameters=standing.parameters,
        status_url=sender.status_url,
    )
    intent = Intent(
        organization_id=standing.about.organization_id, message_id=standing.about.message_id, attempt_id=attempt_id,
        number=number, sender=sender, outgoing=outgoing, began=began,
    )  # fmt: skip
    return intent, step


def _in_our_job() -> bool:
    running = current_job()
    return running is not None and running.kind in OUR_JOBS


def _come_back(standing: Standing, pause_s: float) -> None:
    if not _in_our_job():
        enqueue(outcomes.settle_job(standing.about, delay_s=pause_s))
        finish_here()


def _end_of(step: GiveUp) -> str:
    if step.suppressed:
        return MessageStatus.SUPPRESSED.value
    return MessageStatus.UNRESOLVED.value if step.unresolved else MessageStatus.FAILED.value


def _give_up(standing: Standing, step: GiveUp) -> None:
    last = standing.attempts[-1] if standing.attempts else None
    reason, code, status = step.reason, last.code if last else "", _end_of(step)
    if reason == "every_channel_failed" and last:
        reason = last.reason or reason
    if reason == "no_channel":
        reason, status = ("no_phone" if not standing.phone else "unreachable"), MessageStatus.SUPPRESSED.value
    if status != MessageStatus.UNRESOLVED or standing.status is not MessageStatus.UNRESOLVED:
        channel = last.sender if last else None
        outcomes.end_message(standing.about, status=status, reason=reason, code=code, channel=channel)
    finish_here()


def _resolve(standing: Standing) -> None:
    """Unknown attempts about which a receipt says that they went out count as accepted, even after its end."""
    for attempt in standing.proven:
        assert attempt.sender is not None  # noqa: S101 - `proven` names none without
        intent = Intent(
            organization_id=standing.about.organization_id, message_id=standing.about.message_id,
            attempt_id=attempt.id, number=standing.attempts.index(attempt) + 1, sender=attempt.sender,
            outgoing=Outgoing(attempt_id=attempt.id, to="", text=""), began=0.0,
        )  # fmt: skip
        accepted = Accepted(provider_id=attempt.provider_id or "")
        outcomes.store_accepted(standing.about, intent, accepted, at=clock.now(), finish=False)
    finish_here()
