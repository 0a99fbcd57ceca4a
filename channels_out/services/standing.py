"""A message under lock: where it stands, what was tried, and what the next step depends on."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from channels_out import senders, sql
from channels_out.delivery import NO_RECEIPT, RECEIPT_RANKS, AttemptState, MessageStatus, Receipt
from channels_out.fallback import ErrorClass, Tried
from channels_out.senders import Sender, Senders
from channels_out.services.outcomes import Obliged
from swiftex.database import execute, fetch_all, fetch_one

_OPEN = frozenset({MessageStatus.PLANNED, MessageStatus.SENDING, MessageStatus.FAILED})


@dataclass(frozen=True, kw_only=True)
class TriedAttempt:
    id: UUID
    sender: Sender | None
    tried: Tried
    provider_id: str | None
    code: str
    reason: str
    call_left_s: float


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A message under lock, with its attempts in order.  age_s None: it has no moment of receipt."""

    about: Obliged
    status: MessageStatus
    attempts: tuple[TriedAttempt, ...]
    configured: Senders
    channel_names: tuple[str, ...]
    template_name: str
    text: str
    parameters: dict[str, str]
    max_age_s: float
    age_s: float | None
    phone: str
    has_ended: bool
    unreachable_kinds: frozenset[str]
    window_channel_ids: frozenset[UUID]

    @property
    def is_settled(self) -> bool:
        """True when nothing more is to be done: it reached somebody, or its end was written down."""
        return self.has_ended or self.status not in _OPEN

    @property
    def proven(self) -> list[TriedAttempt]:
        """Unknown attempts about which a receipt says that they went out."""
        good = [
            a for a in self.attempts if a.tried.state is AttemptState.UNKNOWN and a.tried.receipt_rank != NO_RECEIPT
        ]
        return [a for a in good if a.tried.receipt_rank != RECEIPT_RANKS[Receipt.FAILED] and a.sender is not None]

    @property
    def is_late(self) -> bool:
        """True when it waits for a person; once something was tried, the limit is the one for failure reports."""
        limit_s = min(self.max_age_s, settings.SWIFTEX_FALLBACK_MAX_AGE_S) if self.attempts else self.max_age_s
        return self.age_s is not None and self.age_s > limit_s


def lock(organization_id: UUID, message_id: UUID) -> Standing | None:
    """The message as it stands, locked with its attempts until the caller's transaction ends; None when it is gone.

    An attempt whose deadline passed without an answer is unknown from here on.
    """
    key = {"organization_id": organization_id, "message_id": message_id}
    rows = fetch_all(sql.LOCK_ATTEMPTS, key)
    message = fetch_one(sql.LOCK_MESSAGE, key)
    if message is None:
        return None
    configured = senders.senders_of(organization_id)
    attempts = tuple(_attempt(organization_id, configured, row) for row in rows)
    return _standing(organization_id, message_id, configured, attempts, message)


def _attempt(organization_id: UUID, configured: Senders, row: tuple[Any, ...]) -> TriedAttempt:
    attempt_id, channel_id, _, state, as_template, rank, error, retry_after_s, waited_s, left_s, provider_id = row[:11]
    if state == AttemptState.SENDING.value and left_s <= 0:
        # The process that was to make this call died or slept over it: perhaps the call was made.
        settle_attempt(organization_id, attempt_id, AttemptState.UNKNOWN, "process_died")
        state = AttemptState.UNKNOWN.value
    sender = configured.by_id.get(channel_id)
    return TriedAttempt(
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


def _standing(
    organization_id: UUID,
    message_id: UUID,
    configured: Senders,
    attempts: tuple[TriedAttempt, ...],
    row: tuple[Any, ...],
) -> Standing:
    (status, obligation, obligation_key, conversation_id, contact_id, lead_id, channel_order, template_name, text,
     parameters, unknown_wait_s, max_age_s, text_source, text_reason, age_s, received_at, dispatched_at, started_at,
     model_answered_at, phone, has_ended, unreachable, windows) = row  # fmt: skip
    about = Obliged(
        organization_id=organization_id, message_id=message_id, obligation=obligation,
        obligation_key=obligation_key or "", lead_id=lead_id, contact_id=contact_id, conversation_id=conversation_id,
        text_source=text_source, text_reason=text_reason, unknown_wait_s=unknown_wait_s, received_at=received_at,
        dispatched_at=dispatched_at, started_at=started_at, model_answered_at=model_answered_at,
    )  # fmt: skip
    return Standing(
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
        has_ended=has_ended,
        unreachable_kinds=frozenset(unreachable),
        window_channel_ids=frozenset(windows),
    )


def _json(value: Any) -> Any:
    """Django hands jsonb to hand-written statements as text."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def settle_attempt(organization_id: UUID, attempt_id: UUID, state: AttemptState, reason: str) -> None:
    """The open attempt is in this state, without having been answered."""
    execute(
        sql.SETTLE_ATTEMPT,
        {
            "organization_id": organization_id, "attempt_id": attempt_id, "state": state.value, "code": "",
            "reason": reason, "error_class": "", "retry_after_s": None, "from_states": ["sending", "unknown"],
        },
    )  # fmt: skip
