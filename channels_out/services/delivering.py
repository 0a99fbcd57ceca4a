"""`deliver`: a message that is owed goes to the first channel that takes it, or is continued where it stands."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from django.db import transaction

from channels_out import crash_points, senders, sql
from channels_out.providers.base import Outgoing, Template
from channels_out.providers.whatsapp_cloud import rendered
from channels_out.senders import Sender
from channels_out.services import advancing, outcomes
from channels_out.services.calls import CALL_S, Intent
from channels_out.services.orders import Delivered, DeliveryOrder
from channels_out.services.outcomes import Obliged
from routing.jobs import enqueue, finish_here
from swiftex import clock
from swiftex.database import fetch_all, fetch_one
from swiftex.ids import new_id
from swiftex.observability import metrics

_LEAST_PAUSE_S = 0.2
_DOWN_PAUSE_S = 2.0


@dataclass(frozen=True)
class _Candidates:
    """The channels that could take the message now, and why the others can't."""

    usable: Sequence[Sender]
    reasons: Sequence[str]

    @property
    def may_come_back(self) -> bool:
        return any(reason in senders.PASSING_REASONS for reason in self.reasons)

    @property
    def reason(self) -> str:
        """The one reason to name when nothing could be used."""
        known = set(self.reasons)
        return "no_phone" if known == {"no_phone"} else next(iter(self.reasons), "no_channel")


def deliver(order: DeliveryOrder) -> Delivered:
    """The message is with a channel, or is stored as what became of it; the running job is done with the same commit.

    The text and the intent are committed before the one HTTP try of each channel; a second call with the same
    obligation key goes on where the first one stopped, with the text that was stored then, and never asks a channel
    again that may have taken it.  When every channel is busy or down for a moment, the text is kept and a job of ours
    goes on with it (state `planned`).  Not inside a transaction.  Sources: docs/adr/0030 to 0032, delivery.md (b).
    """
    configured = senders.senders_of(order.organization_id)
    template = configured.templates.get(order.template_name) if order.template_name else None
    text, parameters = _wording(order, template)
    candidates = _candidates(order, configured, template)
    crash_points.reach("before_intent")
    place, wait_s = _granted(candidates.usable)
    message_id = new_id()
    fields = _fields(order, message_id, text, parameters)
    if place is None:
        return _without_channel(order, message_id, fields, candidates, wait_s)
    wanted = candidates.usable[place:]
    attempt_id = new_id()
    began = time.monotonic()
    row = _store_intent(fields, wanted, attempt_id, text, has_template=template is not None)
    if row is None or row[1] is None or row[3] is None:
        return _not_begun(
            order, message_id, fields, refusal=row[0] if row else "no_contact", reached=bool(row and row[1])
        )
    sender = wanted[row[1] - 1]
    about = _about(order, message_id)
    outgoing = Outgoing(
        attempt_id=attempt_id,
        to=order.phone or "",
        text=text,
        template=template if row[2] else None,
        parameters=parameters,
        status_url=sender.status_url,
    )
    intent = Intent(
        organization_id=order.organization_id, message_id=message_id, attempt_id=attempt_id, number=1, sender=sender,
        outgoing=outgoing, began=began,
    )  # fmt: skip
    crash_points.reach("after_intent")
    return advancing.settle_call(about, intent)


def _wording(order: DeliveryOrder, template: Template | None) -> tuple[str, dict[str, str]]:
    parameters = {"ai_line": order.text} | {name: str(value) for name, value in order.parameters.items()}
    text = rendered(template, parameters) if template else order.text
    # PostgreSQL's text can't hold NUL, and no channel can send one.
    return text.replace("\x00", ""), {name: value.replace("\x00", "") for name, value in parameters.items()}


def _candidates(order: DeliveryOrder, configured: senders.Senders, template: Template | None) -> _Candidates:
    now = clock.now()
    usable: list[Sender] = []
    reasons: list[str] = []
    for name in order.channel_names:
        sender = configured.by_name.get(name)
        reason = (
            senders.passed_over(sender, phone=order.phone, template=template, now=now) if sender else "unknown_channel"
        )
        if sender and reason is None:
            usable.append(sender)
        elif reason:
            reasons.append(reason)
    return _Candidates(usable, reasons)


def _granted(usable: Sequence[Sender]) -> tuple[int | None, float]:
    """The first sender with a free token, or None and the seconds until one is free."""
    waits = []
    for place, sender in enumerate(usable):
        wait_s = senders.take_token(sender)
        if wait_s <= 0:
            return place, 0.0
        waits.append(wait_s)
    return None, min(waits, default=_DOWN_PAUSE_S)


def _fields(order: DeliveryOrder, message_id: UUID, text: str, parameters: dict[str, str]) -> dict[str, object]:
    return {
        "message_id": message_id,
        "organization_id": order.organization_id,
        "obligation": order.obligation,
        "obligation_key": order.obligation_key,
        "conversation_id": order.conversation_id,
        "contact_id": order.contact_id,
        "lead_id": order.lead_id,
        "channel_order": orjson.dumps(order.channel_names).decode(),
        "template_name": order.template_name or "",
        "text": text,
        "parameters": orjson.dumps(parameters).decode(),
        "text_source": order.text_source,
        "text_reason": (order.text_reason or "")[:60],
        "unknown_wait_s": float(order.unknown_wait_s),
        "max_age_s": float(order.max_age_s),
        "received_at": order.received_at,
        "deadline_at": order.deadline_at,
        "dispatched_at": order.dispatched_at,
        "started_at": order.started_at,
        "model_answered_at": order.model_answered_at,
    }


def _store_intent(
    fields: dict[str, object], wanted: Sequence[Sender], attempt_id: UUID, text: str, *, has_template: bool
) -> tuple[str | None, int | None, bool, UUID | None] | None:
    rows = fetch_all(
        sql.INTENT,
        fields
        | {
            "channel_ids": [sender.id for sender in wanted],
            "kinds": [sender.kind for sender in wanted],
            "attempt_id": attempt_id,
            "has_template": has_template,
            "text_hash": hashlib.sha256(text.encode()).digest(),
            "call_s": CALL_S,
        },
    )
    return rows[0] if rows else None


def _without_channel(
    order: DeliveryOrder, message_id: UUID, fields: dict[str, object], candidates: _Candidates, wait_s: float
) -> Delivered:
    is_passing = bool(candidates.usable) or candidates.may_come_back
    if not is_passing:
        return _suppress(order, message_id, fields, candidates.reason)
    with transaction.atomic():
        is_new = _plan(fields, status="planned", reason="")
        if is_new:
            enqueue(outcomes.next_job(_about(order, message_id), delay_s=max(wait_s, _LEAST_PAUSE_S)))
            finish_here()
    if not is_new:
        return _continued(order)
    return Delivered(message_id=message_id, state="planned", reason="rate_limited" if wait_s else "channel_down")


def _not_begun(
    order: DeliveryOrder, message_id: UUID, fields: dict[str, object], *, refusal: str | None, reached: bool
) -> Delivered:
    if _known(order) is not None:
        return _continued(order)
    return _suppress(order, message_id, fields, refusal or ("obligation_taken" if reached else "unreachable"))


def _suppress(order: DeliveryOrder, message_id: UUID, fields: dict[str, object], reason: str) -> Delivered:
    about = _about(order, message_id)
    with transaction.atomic():
        is_new = _plan(fields, status="suppressed", reason=reason)
        if is_new:
            outcomes.end_message(about, status="suppressed", reason=reason, channel=None)
            finish_here()
    if not is_new:
        return _continued(order)
    return Delivered(message_id=message_id, state="suppressed", reason=reason)


def _plan(fields: dict[str, object], *, status: str, reason: str) -> bool:
    return fetch_one(sql.PLAN, fields | {"status": status, "failure_reason": reason}) is not None


def _known(order: DeliveryOrder) -> UUID | None:
    row = fetch_one(
        "SELECT id FROM channels_out_message WHERE organization_id = %s AND obligation_key = %s",
        [order.organization_id, order.obligation_key],
    )
    return None if row is None else row[0]


def _continued(order: DeliveryOrder) -> Delivered:
    """A run that met the obligation before, or died over it, is taken up where it stands."""
    metrics.duplicate_suppressed(stage="obligation")
    message_id = _known(order)
    if message_id is None:
        return Delivered(message_id=None, state="suppressed", reason="gone")
    return advancing.advance(organization_id=order.organization_id, message_id=message_id)


def _about(order: DeliveryOrder, message_id: UUID) -> Obliged:
    return Obliged(
        organization_id=order.organization_id,
        message_id=message_id,
        obligation=order.obligation,
        obligation_key=order.obligation_key,
        lead_id=order.lead_id,
        contact_id=order.contact_id,
        conversation_id=order.conversation_id,
        text_source=order.text_source,
        text_reason=order.text_reason or "",
        unknown_wait_s=order.unknown_wait_s,
        received_at=order.received_at,
        dispatched_at=order.dispatched_at,
        started_at=order.started_at,
        model_answered_at=order.model_answered_at,
    )
