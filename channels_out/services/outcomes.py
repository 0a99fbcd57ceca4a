"""What an attempt came to is stored, with the facts and obligations that follow, in one transaction each."""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from channels_out import senders, sql
from channels_out.delivery import NO_RECEIPT, RECEIPT_RANKS, AttemptState, Receipt
from channels_out.fallback import ErrorClass
from channels_out.providers.base import Accepted, Refused
from channels_out.services.calls import Intent
from leads import consent
from leads.greeting_state import mark_greeting
from leads.strangers import add_identity
from routing import pressure
from routing.events import NewEvent, record
from routing.jobs import NewJob, enqueue, finish_here
from swiftex import clock
from swiftex.database import execute, fetch_all, fetch_one
from swiftex.ids import new_id
from swiftex.observability import metrics
from swiftex.queues import Queue

logger = logging.getLogger(__name__)

GREETING = "greeting"
_HANGING_LIMIT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Obliged:
    """The message that an outcome belongs to, as far as events and the lead need it."""

    organization_id: UUID
    message_id: UUID
    obligation: str
    obligation_key: str
    lead_id: UUID | None
    contact_id: UUID
    conversation_id: UUID | None
    text_source: str
    text_reason: str
    unknown_wait_s: float
    received_at: datetime | None
    dispatched_at: datetime | None
    started_at: datetime | None
    model_answered_at: datetime | None

    @property
    def greeted_lead_id(self) -> UUID | None:
        """The lead whose first message this is."""
        return self.lead_id if self.obligation == GREETING else None


def store_accepted(about: Obliged, intent: Intent, accepted: Accepted, *, at: datetime, finish: bool = True) -> bool:
    """The attempt, its message and the lead stand as accepted, `message.accepted` is recorded, the job is done.

    False when the attempt was settled by somebody else meanwhile: nothing changes then.  A failure report that came
    before this moment starts the next channel.
    """
    with transaction.atomic():
        rows = fetch_all(
            sql.ACCEPT,
            {
                "organization_id": about.organization_id,
                "attempt_id": intent.attempt_id,
                "provider_id": accepted.provider_id,
                "accepted_at": at,
                "channel_name": intent.sender.name,
                "greeted_lead_id": about.greeted_lead_id,
            },
        )
        if finish:
            finish_here()  # first, for the running job may hold the key of the next one
        if rows:
            rank, is_first, code = rows[0]
            record(_accepted(about, intent, at=at))
            if rank == RECEIPT_RANKS[Receipt.FAILED]:
                refused = intent.sender.provider.rule(code).refusal(code)
                learn_from_refusal(about, channel_kind=intent.sender.kind, refused=refused)
                enqueue(next_job(about, delay_s=0))
            if accepted.known_as and accepted.known_as != intent.outgoing.to:
                _remember_alias(about, accepted.known_as)
    if rows and is_first and about.greeted_lead_id and about.received_at:
        metrics.first_touch(channel=intent.sender.kind, seconds=(at - about.received_at).total_seconds())
    return bool(rows)


def _remember_alias(about: Obliged, phone: str) -> None:
    """The provider knows the person under another spelling of the number, and will answer with that one."""
    add_identity(organization_id=about.organization_id, contact_id=about.contact_id, kind="phone", value=phone)


def store_refused(about: Obliged, intent: Intent, refused: Refused, *, made: bool) -> None:
    """The attempt is refused (or abandoned, when no call was made), and what it says of person and sender is kept."""
    if refused.breaker_s:
        senders.pause(intent.sender, seconds=refused.breaker_s, reason=refused.reason)
    if refused.error is ErrorClass.BUG:
        logger.error(
            "a provider refuses our request or configuration",
            extra={"channel_id": str(intent.sender.id), "code": refused.code, "reason": refused.reason},
        )
    with transaction.atomic():
        state = AttemptState.REFUSED if made else AttemptState.ABANDONED
        if _settle(about, intent, state, refused) is None:
            return
        learn_from_refusal(about, channel_kind=intent.sender.kind, refused=refused)
        record(_failed(about, intent.sender, code=refused.code, reason=refused.reason, final=False))


def learn_from_refusal(about: Obliged, *, channel_kind: str, refused: Refused) -> None:
    """An unreachable person is remembered, and one who said stop is opted out; inside the caller's transaction."""
    if refused.error is ErrorClass.OPT_OUT:
        consent.opt_out(
            organization_id=about.organization_id, contact_id=about.contact_id, channel_kind=channel_kind,
            source=refused.code, evidence={"code": refused.code}, at=clock.now(),
        )  # fmt: skip
    if refused.unreachable_days:
        execute(
            sql.REMEMBER_UNREACHABLE,
            {
                "id": new_id(), "organization_id": about.organization_id, "contact_id": about.contact_id,
                "kind": channel_kind, "code": refused.code, "days": refused.unreachable_days,
            },
        )  # fmt: skip


def store_unknown(about: Obliged, intent: Intent, *, reason: str, hung: bool) -> None:
    """The attempt is unknown; a receipt has unknown_wait_s to say more before the next channel is taken."""
    with transaction.atomic():
        unknown = Refused(code="", error=ErrorClass.RETRY, reason=reason)
        # First, for the running job may be the very one that is enqueued: its key must be free.
        finish_here()
        rank = _settle(about, intent, AttemptState.UNKNOWN, unknown)
        if rank is not None:
            enqueue(settle_job(about, delay_s=about.unknown_wait_s if rank == NO_RECEIPT else 0.0))
        if hung:
            pressure.limit_organization(
                organization_id=about.organization_id, queue=Queue.GREETING, for_s=_HANGING_LIMIT_S
            )


def end_message(about: Obliged, *, status: str, reason: str, code: str = "", channel: senders.Sender | None) -> None:
    """The message ended without reaching anybody: failed, suppressed or unresolved; the lead says so too.

    Inside the caller's transaction.
    """
    execute(
        sql.END_MESSAGE,
        {
            "organization_id": about.organization_id, "message_id": about.message_id, "status": status,
            "code": code, "reason": reason,
        },
    )  # fmt: skip
    if about.greeted_lead_id:
        mark_greeting(
            organization_id=about.organization_id, lead_id=about.greeted_lead_id, state=status,
            channel=channel.name if channel else None, reason=reason, at=clock.now(),
        )  # fmt: skip
    record(_ended(about, status=status, reason=reason, code=code, channel=channel))


def settle_job(about: Obliged, *, delay_s: float) -> NewJob:
    """Look again at a message whose outcome is unknown."""
    return _job("settle_message", "settle", about.organization_id, about.message_id, about.lead_id, delay_s)


def settle_job_of(*, organization_id: UUID, message_id: UUID, lead_id: UUID | None) -> NewJob:
    """The same, now, for a message of which only the ids are known."""
    return _job("settle_message", "settle", organization_id, message_id, lead_id, 0.0)


def next_job(about: Obliged, *, delay_s: float) -> NewJob:
    """Take the next channel for a message that a receipt reported as failed."""
    return _job("deliver_next", "next", about.organization_id, about.message_id, about.lead_id, delay_s)


def _job(
    kind: str, prefix: str, organization_id: UUID, message_id: UUID, lead_id: UUID | None, delay_s: float
) -> NewJob:
    return NewJob(
        organization_id=organization_id,
        kind=kind,
        key=f"{prefix}:{message_id}",
        payload={"organization_id": str(organization_id), "message_id": str(message_id)},
        delay_s=delay_s,
        correlation_id=lead_id,
    )


def _settle(about: Obliged, intent: Intent, state: AttemptState, refused: Refused) -> int | None:
    """The rank of the receipts that came for the attempt so far; None when somebody else settled it."""
    row = fetch_one(
        sql.SETTLE_ATTEMPT,
        {
            "organization_id": about.organization_id,
            "attempt_id": intent.attempt_id,
            "state": state.value,
            "code": refused.code,
            "reason": refused.reason,
            "error_class": "" if state is AttemptState.UNKNOWN else refused.error.value,
            "retry_after_s": refused.retry_after_s,
            "from_states": ["sending"] if state is AttemptState.UNKNOWN else ["sending", "unknown"],
        },
    )
    return None if row is None else int(row[0])


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _event(about: Obliged, type_: str, data: dict[str, object]) -> NewEvent:
    return NewEvent(
        organization_id=about.organization_id,
        type=type_,
        subject=str(about.message_id),
        data={
            "message_id": str(about.message_id),
            "lead_id": None if about.lead_id is None else str(about.lead_id),
        }
        | data,
        correlation_id=about.lead_id,
    )


def _of(channel: senders.Sender | None) -> dict[str, object]:
    return {"channel": channel.name if channel else None, "channel_kind": channel.kind if channel else None}


def _accepted(about: Obliged, intent: Intent, *, at: datetime) -> NewEvent:
    return _event(
        about,
        "message.accepted",
        _of(intent.sender)
        | {
            "conversation_id": None if about.conversation_id is None else str(about.conversation_id),
            "obligation": about.obligation,
            "obligation_key": about.obligation_key,
            "attempt": intent.number,
            "text_source": about.text_source,
            "text_reason": about.text_reason or None,
            "received_at": _moment(about.received_at),
            "dispatched_at": _moment(about.dispatched_at),
            "started_at": _moment(about.started_at),
            "model_answered_at": _moment(about.model_answered_at),
            "accepted_at": at.isoformat(),
        },
    )


def _failed(about: Obliged, channel: senders.Sender | None, *, code: str, reason: str, final: bool) -> NewEvent:
    data = {"obligation": about.obligation, "code": code or None, "reason": reason, "final": final}
    return _event(about, "message.failed", _of(channel) | data)


def failed_by_receipt(about: Obliged, channel: senders.Sender, *, code: str, reason: str) -> NewEvent:
    """The fact that a channel reported a failure later; another channel may follow."""
    return _failed(about, channel, code=code, reason=reason, final=False)


def reported(about: Obliged, channel: senders.Sender, *, status: str, at: datetime) -> NewEvent:
    """The fact that a channel reported the message as sent, delivered or read."""
    return _event(about, f"message.{status}", _of(channel) | {"at": at.isoformat()})


def _ended(about: Obliged, *, status: str, reason: str, code: str, channel: senders.Sender | None) -> NewEvent:
    if status == "suppressed":
        return _event(about, "message.suppressed", {"obligation": about.obligation, "reason": reason})
    if status == "unresolved":
        return _event(about, "message.unresolved", _of(channel) | {"obligation": about.obligation, "reason": reason})
    return _failed(about, channel, code=code, reason=reason, final=True)
