"""A message that is known goes one step on: its call is made, its outcome waited for, or its end written down."""

import hashlib
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction

from accounts.selectors import organization_by_id
from channels_out import crash_points, fallback, senders, sql
from channels_out.delivery import NO_RECEIPT, AttemptState, MessageStatus
from channels_out.fallback import ErrorClass, GiveUp, Reached, Retry, Send, Step, Tried, Wait
from channels_out.providers.base import Accepted, Outgoing, Refused
from channels_out.senders import Sender, Senders
from channels_out.services import outcomes
from channels_out.services.calls import CALL_S, Intent, call
from channels_out.services.orders import Delivered
from channels_out.services.outcomes import Obliged
from routing.jobs import Postponed, current_job, enqueue, finish_here
from swiftex import clock
from swiftex.database import execute, fetch_all, fetch_one
from swiftex.ids import new_id

PASSING_REASONS = frozenset({"channel_down", "rate_limited"})
OUR_JOBS = frozenset({"settle_message", "deliver_next"})
# An unresolved one is looked at again when a late receipt says more.
_OPEN = frozenset({MessageStatus.PLANNED, MessageStatus.SENDING, MessageStatus.FAILED, MessageStatus.UNRESOLVED})
_PASSING_PAUSE_S = 2.0
_GRACE_S = 0.2
_RATHER_TWICE = "at_least_once"


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    id: UUID
    sender: Sender | None
    tried: Tried
    provider_id: str | None
    code: str
    reason: str
    call_left_s: float


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """A message under lock, with its attempts in order.  age_s None: it has no moment of receipt."""

    about: Obliged
    status: MessageStatus
    attempts: tuple[_Attempt, ...]
    configured: Senders
    channel_names: tuple[str, ...]
    template_name: str
    text: str
    parameters: dict[str, str]
    max_age_s: float
    age_s: float | None
    phone: str
    unreachable_kinds: frozenset[str]
    window_channel_ids: frozenset[UUID]

    @property
    def is_late(self) -> bool:
        """True when it waits for a person; once something was tried, the limit is the one for failure reports."""
        limit_s = min(self.max_age_s, settings.SWIFTEX_FALLBACK_MAX_AGE_S) if self.attempts else self.max_age_s
        return self.age_s is not None and self.age_s > limit_s


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
    pause_s: float | None = None
    intent: Intent | None = None
    with transaction.atomic():
        standing = _lock(organization_id, message_id)
        if standing is None or standing.status not in _OPEN:
            finish_here()
            return _where(message_id, standing)
        step = _choose(standing)
        if isinstance(step, Send):
            intent, step = _next_intent(standing, step)
        if isinstance(step, Wait | Retry):
            pause_s = step.seconds
            _come_back(standing, pause_s)
        elif isinstance(step, GiveUp):
            _give_up(standing, step)
        elif isinstance(step, Reached):
            _resolve(standing)
    if intent is not None:
        crash_points.reach("after_intent")
        return settle_call(standing.about, intent)
    if pause_s is not None and _in_our_job():
        raise Postponed(pause_s)
    return _after(message_id, step)


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


def _where(message_id: UUID, standing: _Standing | None) -> Delivered:
    if standing is None:
        return Delivered(message_id=None, state="suppressed", reason="gone")
    last = standing.attempts[-1].sender if standing.attempts else None
    return Delivered(message_id=message_id, state=standing.status.value, channel_name=last.name if last else None)


def _after(message_id: UUID, step: Step) -> Delivered:
    if isinstance(step, GiveUp):
        return Delivered(message_id=message_id, state=_end_of(step), reason=step.reason)
    return Delivered(message_id=message_id, state="accepted" if isinstance(step, Reached) else "sending")


def _choose(standing: _Standing) -> Step:
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


def _decide(standing: _Standing, *, busy: Container[str] = ()) -> Step:
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


def _to_ask_again(standing: _Standing, usable: list[str]) -> Send | None:
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


def _usable(standing: _Standing, busy: Container[str]) -> tuple[list[str], bool]:
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
        elif reason in PASSING_REASONS and name not in tried:
            is_passing = True
    return names, is_passing


def _next_intent(standing: _Standing, step: Send) -> tuple[Intent | None, Step]:
    """The intent of a further attempt, or the step to take instead."""
    sender = standing.configured.by_name[step.channel]
    for attempt in standing.attempts:
        if attempt.tried.channel == step.channel and attempt.tried.state is AttemptState.UNKNOWN:
            _settle(standing.about.organization_id, attempt.id, AttemptState.ABANDONED, "sent_again")
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


def _come_back(standing: _Standing, pause_s: float) -> None:
    if not _in_our_job():
        enqueue(outcomes.settle_job(standing.about, delay_s=pause_s))
        finish_here()


def _end_of(step: GiveUp) -> str:
    if step.suppressed:
        return MessageStatus.SUPPRESSED.value
    return MessageStatus.UNRESOLVED.value if step.unresolved else MessageStatus.FAILED.value


def _give_up(standing: _Standing, step: GiveUp) -> None:
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


def _resolve(standing: _Standing) -> None:
    """An unknown attempt about which a receipt says that it went out counts as accepted."""
    for attempt in standing.attempts:
        is_proven = attempt.tried.state is AttemptState.UNKNOWN and attempt.tried.receipt_rank != NO_RECEIPT
        if is_proven and attempt.sender is not None:
            intent = Intent(
                organization_id=standing.about.organization_id, message_id=standing.about.message_id,
                attempt_id=attempt.id, number=standing.attempts.index(attempt) + 1, sender=attempt.sender,
                outgoing=Outgoing(attempt_id=attempt.id, to="", text=""), began=0.0,
            )  # fmt: skip
            accepted = Accepted(provider_id=attempt.provider_id or "")
            outcomes.store_accepted(standing.about, intent, accepted, at=clock.now(), finish=False)
    finish_here()


def _lock(organization_id: UUID, message_id: UUID) -> _Standing | None:
    key = {"organization_id": organization_id, "message_id": message_id}
    rows = fetch_all(sql.LOCK_ATTEMPTS, key)
    message = fetch_one(sql.LOCK_MESSAGE, key)
    if message is None:
        return None
    configured = senders.senders_of(organization_id)
    attempts = tuple(_attempt(organization_id, configured, row) for row in rows)
    return _standing(organization_id, message_id, configured, attempts, message)


def _attempt(organization_id: UUID, configured: Senders, row: tuple[Any, ...]) -> _Attempt:
    attempt_id, channel_id, _, state, as_template, rank, error, retry_after_s, waited_s, left_s, provider_id = row[:11]
    if state == AttemptState.SENDING.value and left_s <= 0:
        # The process that was to make this call died or slept over it: perhaps the call was made.
        _settle(organization_id, attempt_id, AttemptState.UNKNOWN, "process_died")
        state = AttemptState.UNKNOWN.value
    sender = configured.by_id.get(channel_id)
    return _Attempt(
        id=attempt_id,
        sender=sender,
        tried=Tried(
            channel=sender.name if sender else str(channel_id), state=AttemptState(state), receipt_rank=rank,
            error=ErrorClass(error) if error else None, retry_after_s=retry_after_s, as_template=as_template,
            waited_s=waited_s,
        ),
        provider_id=provider_id,
        code=row[11],
        reason=row[12],
        call_left_s=left_s,
    )  # fmt: skip


def _settle(organization_id: UUID, attempt_id: UUID, state: AttemptState, reason: str) -> None:
    execute(
        sql.SETTLE_ATTEMPT,
        {
            "organization_id": organization_id, "attempt_id": attempt_id, "state": state.value, "code": "",
            "reason": reason, "error_class": "", "retry_after_s": None, "from_states": ["sending", "unknown"],
        },
    )  # fmt: skip


def _standing(
    organization_id: UUID, message_id: UUID, configured: Senders, attempts: tuple[_Attempt, ...], row: tuple[Any, ...]
) -> _Standing:
    (status, obligation, obligation_key, conversation_id, contact_id, lead_id, channel_order, template_name, text,
     parameters, unknown_wait_s, max_age_s, text_source, text_reason, age_s, received_at, dispatched_at, started_at,
     model_answered_at, phone, unreachable, windows) = row  # fmt: skip
    about = Obliged(
        organization_id=organization_id, message_id=message_id, obligation=obligation,
        obligation_key=obligation_key or "", lead_id=lead_id, contact_id=contact_id, conversation_id=conversation_id,
        text_source=text_source, text_reason=text_reason, unknown_wait_s=unknown_wait_s, received_at=received_at,
        dispatched_at=dispatched_at, started_at=started_at, model_answered_at=model_answered_at,
    )  # fmt: skip
    return _Standing(
        about=about,
        status=MessageStatus(status),
        attempts=attempts,
        configured=configured,
        channel_names=tuple(_json(channel_order)),
        template_name=template_name,
        text=text,
        parameters=_json(parameters),
        max_age_s=max_age_s,
        age_s=age_s,
        phone=phone or "",
        unreachable_kinds=frozenset(unreachable),
        window_channel_ids=frozenset(windows),
    )


def _json(value: Any) -> Any:
    """Django hands jsonb to hand-written statements as text."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value
