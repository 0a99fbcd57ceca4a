"""The messages of a conversation, for the app that keeps conversations: read, linked, and found again by obligation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from channels_out.models import Attempt, Message
from channels_out.stop_words import Keyword, recognize


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What threading needs to know of a message that a person wrote.  is_stop: it is a word of refusal."""

    contact_id: UUID
    lead_id: UUID | None
    received_at: datetime
    is_stop: bool


@dataclass(frozen=True, slots=True)
class ThreadAttempt:
    """One try to send a message: which channel, and what became of it."""

    number: int
    channel_name: str
    state: str
    reason: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """One message of a thread, as people read it.  at: when it was written or came in."""

    id: UUID
    is_inbound: bool
    text: str = field(repr=False)
    channel_name: str
    channel_kind: str
    status: str
    text_source: str
    text_reason: str
    failure_reason: str
    at: datetime
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    attempts: Sequence[ThreadAttempt]


def inbound_message(*, organization_id: UUID, message_id: UUID) -> InboundMessage | None:
    """The message if it came from a person, or None."""
    row = (
        Message.objects.filter(organization_id=organization_id, pk=message_id, direction="in")
        .values_list("contact_id", "lead_id", "received_at", "created_at", "text", "parameters__payload")
        .first()
    )
    if row is None:
        return None
    contact_id, lead_id, received_at, created_at, text, payload = row
    is_stop = any(recognize(words) is Keyword.STOP for words in (text, payload) if words)
    return InboundMessage(contact_id, lead_id, received_at or created_at, is_stop)


def is_message_stored(*, organization_id: UUID, obligation_key: str) -> bool:
    """True when the words for this obligation are decided: sending goes on with them."""
    return Message.objects.filter(organization_id=organization_id, obligation_key=obligation_key).exists()


def set_conversation(
    *, organization_id: UUID, message_id: UUID, conversation_id: UUID, lead_id: UUID | None = None
) -> None:
    """The message belongs to the conversation, and to the lead if it had none; a second call changes nothing."""
    rows = Message.objects.filter(organization_id=organization_id, pk=message_id)
    rows.update(conversation_id=conversation_id)
    if lead_id is not None:
        rows.filter(lead_id__isnull=True).update(lead_id=lead_id)


def thread_of(*, organization_id: UUID, conversation_id: UUID, most: int = 200) -> list[ThreadMessage]:
    """The conversation's newest messages, both ways, oldest first; two statements."""
    rows = (
        Message.objects.filter(organization_id=organization_id, conversation_id=conversation_id)
        .select_related("channel")
        .order_by("-created_at", "-id")[:most]
    )
    found = sorted(rows, key=_said_at)
    attempts: dict[UUID, list[ThreadAttempt]] = {row.pk: [] for row in found}
    tries = Attempt.objects.filter(organization_id=organization_id, message_id__in=list(attempts))
    for attempt in tries.select_related("channel").order_by("number"):
        attempts[attempt.message_id].append(_attempt(attempt))
    return [_message(row, attempts[row.pk]) for row in found]


def _said_at(row: Message) -> datetime:
    """When it was said, to sort by. Providers cut the second off, and nobody answers before the question."""
    if row.direction == "in" and row.received_at:
        return min(row.created_at, row.received_at + timedelta(seconds=1))
    return row.created_at


def _attempt(row: Attempt) -> ThreadAttempt:
    reason = " ".join(part for part in (row.code, row.reason) if part)
    return ThreadAttempt(row.number, str(row.channel), row.state, reason, row.started_at)


def _message(row: Message, attempts: Sequence[ThreadAttempt]) -> ThreadMessage:
    is_inbound = row.direction == "in"
    return ThreadMessage(
        id=row.pk,
        is_inbound=is_inbound,
        text=row.text,
        channel_name=str(row.channel) if row.channel else "",
        channel_kind=str(getattr(row.channel, "kind", "")),
        status=row.status,
        text_source=row.text_source,
        text_reason=row.text_reason,
        failure_reason=" ".join(part for part in (row.failure_code, row.failure_reason) if part),
        at=(row.received_at if is_inbound else None) or row.created_at,
        accepted_at=row.accepted_at,
        sent_at=row.sent_at,
        delivered_at=row.delivered_at,
        read_at=row.read_at,
        attempts=attempts,
    )
