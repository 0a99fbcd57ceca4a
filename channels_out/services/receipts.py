"""Receipts are folded into attempts and messages, in batches, forward only (ADR 0034)."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, transaction
from django.http import QueryDict

from channels_out import receipts_sql, senders, sql
from channels_out.delivery import RECEIPT_RANKS, AttemptState, Receipt
from channels_out.payloads import twilio, whatsapp
from channels_out.payloads.news import Reported
from channels_out.payloads.parsing import Malformed, json_object
from channels_out.senders import Sender
from channels_out.services import outcomes
from channels_out.services.outcomes import Obliged
from routing.events import NewEvent, record
from routing.jobs import enqueue, rearm
from swiftex.database import execute, fetch_all
from swiftex.ids import new_id

logger = logging.getLogger(__name__)

BATCH = 300
# A provider's clock counts whole seconds; a report this fresh is dated by its arrival instead.
_FRESH_S = 2.0
_FAILED_RANK = RECEIPT_RANKS[Receipt.FAILED]


@dataclass(frozen=True)
class _Raw:
    """A stored callback that waits to be folded."""

    id: UUID
    organization_id: UUID
    channel_id: UUID
    provider: str
    query: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class _Matched:
    """A receipt whose attempt is known."""

    attempt_id: UUID
    channel_id: UUID
    provider_id: str
    status: Receipt
    code: str
    at: datetime


@dataclass(frozen=True)
class _Moved:
    """An attempt that receipts came for: it knows more than before if its rank rose."""

    attempt_id: UUID
    organization_id: UUID
    message_id: UUID
    channel: Sender
    state: AttemptState
    former_rank: int
    rank: int
    code: str
    receipts: Sequence[_Matched]

    @property
    def rose(self) -> bool:
        """True when the report is a step forward."""
        return self.rank > self.former_rank

    @property
    def news(self) -> list[_Matched]:
        """Its receipts that said something new, in their order of rank."""
        fresh = {r.status: r for r in self.receipts if RECEIPT_RANKS[r.status] > self.former_rank}
        return sorted(fresh.values(), key=lambda receipt: RECEIPT_RANKS[receipt.status])

    def at(self, status: Receipt) -> datetime | None:
        """When that was reported, if it was in this batch."""
        return next((receipt.at for receipt in self.receipts if receipt.status is status), None)


def fold_receipts() -> int:
    """The callbacks that wait, up to BATCH, are folded; the number taken. Inside the caller's transaction.

    Order, copies and arrival before our own commit make no difference to where attempts and messages end up.
    """
    rows = [_Raw(*row) for row in fetch_all(receipts_sql.TO_FOLD, [BATCH])]
    quarantines = dict.fromkeys([raw.id for raw in rows], "")
    given: dict[tuple[UUID, str, str], tuple[Sender, Reported, datetime]] = {}
    for raw in rows:
        quarantines[raw.id] = _read(raw, given)
    matched = _stored(given) + [_match(row) for row in fetch_all(receipts_sql.REMATCH)]
    if matched:
        _apply([receipt for receipt in matched if receipt is not None])
    if rows:
        ids = list(quarantines)
        execute(receipts_sql.FOLDED, {"ids": ids, "quarantines": [quarantines[id_] for id_ in ids]})
    return len(rows)


def fold_carefully() -> int:
    """As fold_receipts; a batch that the database refuses is folded one by one, and the culprit goes to quarantine."""
    try:
        with transaction.atomic():
            return fold_receipts()
    except DatabaseError:
        logger.exception("a batch of receipts could not be folded, going on one by one")
    return _quarantine_first()


def _quarantine_first() -> int:
    rows = [_Raw(*row) for row in fetch_all(receipts_sql.TO_FOLD, [BATCH])]
    for raw in rows:
        given: dict[tuple[UUID, str, str], tuple[Sender, Reported, datetime]] = {}
        reason = _read(raw, given)
        try:
            with transaction.atomic():
                _apply([receipt for receipt in _stored(given) if receipt is not None])
        except DatabaseError:
            reason = "not_foldable"
        execute(receipts_sql.FOLDED, {"ids": [raw.id], "quarantines": [reason]})
    return len(rows)


def _read(raw: _Raw, given: dict[tuple[UUID, str, str], tuple[Sender, Reported, datetime]]) -> str:
    """Puts the callback's receipts into `given`, the earliest of equal ones; returns why a part was left out, or ""."""
    sender = senders.senders_of(raw.organization_id).by_id.get(raw.channel_id)
    if sender is None:
        return "unknown_channel"
    reason = ""
    try:
        found = list(_reported(raw))
    except (Malformed, SuspiciousOperation, ValueError, TypeError, AttributeError, RecursionError):
        logger.exception("a stored callback could not be read", extra={"callback_id": str(raw.id)})
        return "unreadable"
    for reported in found:
        channel = senders.sibling(sender, reported.sender_id) if reported.sender_id else sender
        if channel is None:
            reason = "unknown_phone_number_id"
            continue
        given.setdefault((channel.id, reported.provider_id, reported.status), (channel, reported, raw.received_at))
    return reason


def _reported(raw: _Raw) -> Iterator[Reported]:
    if raw.provider == "whatsapp":
        yield from whatsapp.reported_in(json_object(bytes(raw.body)))
        return
    form: dict[str, Any] = QueryDict(bytes(raw.body), encoding="utf-8").dict()
    reported = twilio.reported_in(form, dict(parse_qsl(raw.query)))
    if reported is not None:
        yield reported


def _stored(given: dict[tuple[UUID, str, str], tuple[Sender, Reported, datetime]]) -> list["_Matched | None"]:
    """The receipts that were not known, stored; None for each whose attempt is not known (yet)."""
    if not given:
        return []
    rows = list(given.values())
    stored = fetch_all(
        receipts_sql.STORE,
        {
            "ids": [new_id() for _ in rows],
            "organization_ids": [channel.organization_id for channel, _, _ in rows],
            "channel_ids": [channel.id for channel, _, _ in rows],
            "provider_ids": [reported.provider_id for _, reported, _ in rows],
            "statuses": [reported.status.value for _, reported, _ in rows],
            "codes": [reported.code for _, reported, _ in rows],
            "reported": [reported.reported_at for _, reported, _ in rows],
            "received": [received_at for _, _, received_at in rows],
            "attempt_ids": [_attempt_id(reported.attempt_ref) for _, reported, _ in rows],
        },
    )
    return [_match(row) for row in stored]


def _match(row: tuple[Any, ...]) -> _Matched | None:
    _, attempt_id, channel_id, provider_id, status, code, reported_at, received_at = row
    if attempt_id is None:
        return None
    is_fresh = reported_at is None or abs((received_at - reported_at).total_seconds()) < _FRESH_S
    at = received_at if is_fresh else min(reported_at, received_at)
    return _Matched(attempt_id, channel_id, provider_id, Receipt(status), code, at)


def _attempt_id(reference: str) -> UUID | None:
    try:
        return UUID(hex=reference) if len(reference) == 32 else None
    except ValueError:
        return None


def _apply(matched: list[_Matched]) -> None:
    by_attempt: dict[UUID, list[_Matched]] = {}
    for receipt in matched:
        by_attempt.setdefault(receipt.attempt_id, []).append(receipt)
    moved = _move_attempts(by_attempt)
    if not moved:
        return
    messages = _move_messages(moved)
    events: list[NewEvent] = []
    for one in moved:
        about = messages.get(one.message_id)
        if about is not None and one.rose:
            events += _events(about, one)
            _follow_up(about, one)
    record(*events)


def _move_attempts(by_attempt: dict[UUID, list[_Matched]]) -> list[_Moved]:
    channels = _channels(by_attempt)
    best = {id_: max(found, key=lambda r: RECEIPT_RANKS[r.status]) for id_, found in by_attempt.items()}
    ids = sorted(best)
    failed = {id_: _rule(channels, best[id_]) for id_ in ids}
    rows = fetch_all(
        receipts_sql.APPLY,
        {
            "attempt_ids": ids,
            "ranks": [RECEIPT_RANKS[best[id_].status] for id_ in ids],
            "codes": [best[id_].code for id_ in ids],
            "reasons": [failed[id_][0] for id_ in ids],
            "errors": [failed[id_][1] for id_ in ids],
            "provider_ids": [best[id_].provider_id for id_ in ids],
        },
    )
    return [
        _Moved(id_, organization_id, message_id, channels[channel_id], AttemptState(state), former, rank, code,
               by_attempt[id_])
        for id_, organization_id, message_id, channel_id, state, former, rank, code in rows
        if channel_id in channels
    ]  # fmt: skip


def _channels(by_attempt: dict[UUID, list[_Matched]]) -> dict[UUID, Sender]:
    """The senders of these receipts; all of them were verified against one of these channels."""
    wanted = {receipt.channel_id for found in by_attempt.values() for receipt in found}
    return senders.by_ids(wanted)


def _rule(channels: dict[UUID, Sender], receipt: _Matched) -> tuple[str, str]:
    """(reason, error class) of a failing receipt, two empty texts for any other."""
    if receipt.status is not Receipt.FAILED or receipt.channel_id not in channels:
        return "", ""
    rule = channels[receipt.channel_id].provider.rule(receipt.code)
    return rule.reason, rule.error.value


def _move_messages(moved: list[_Moved]) -> dict[UUID, Obliged]:
    """One row per message: when two attempts of one message moved, the further one decides."""
    chosen = {one.message_id: one for one in sorted(moved, key=lambda one: one.rank)}
    ones = [chosen[message_id] for message_id in sorted(chosen)]
    rows = fetch_all(
        receipts_sql.MOVE,
        {
            "message_ids": [one.message_id for one in ones],
            "channel_ids": [one.channel.id for one in ones],
            "ranks": [one.rank for one in ones],
            "moves": [one.rose and one.state is AttemptState.ACCEPTED for one in ones],
            "sent": [one.at(Receipt.SENT) for one in ones],
            "delivered": [one.at(Receipt.DELIVERED) for one in ones],
            "read": [one.at(Receipt.READ) for one in ones],
            "codes": [one.code for one in ones],
            "reasons": [_rule({one.channel.id: one.channel}, one.receipts[-1])[0] for one in ones],
        },
    )
    return {
        row[0]: Obliged(
            message_id=row[0], organization_id=row[1], obligation=row[2], obligation_key=row[3] or "", lead_id=row[4],
            contact_id=row[5], conversation_id=row[6], text_source=row[7], text_reason=row[8], unknown_wait_s=row[9],
            received_at=row[10], dispatched_at=row[11], started_at=row[12], model_answered_at=row[13],
        )
        for row in rows
    }  # fmt: skip


def _events(about: Obliged, moved: _Moved) -> list[NewEvent]:
    """A fact for each report that told something new."""
    facts = []
    for receipt in moved.news:
        if receipt.status is Receipt.FAILED:
            if moved.rank == _FAILED_RANK:
                reason = _rule({moved.channel.id: moved.channel}, receipt)[0]
                facts.append(outcomes.failed_by_receipt(about, moved.channel, code=receipt.code, reason=reason))
        else:
            facts.append(outcomes.reported(about, moved.channel, status=receipt.status.value, at=receipt.at))
    return facts


def _follow_up(about: Obliged, moved: _Moved) -> None:
    """A failure takes the next channel; news of an unknown attempt settles it now instead of after its wait."""
    if moved.state is AttemptState.UNKNOWN:
        settling = outcomes.settle_job(about, delay_s=0)
        if not rearm(organization_id=about.organization_id, key=settling.key, delay_s=0):
            enqueue(settling)
        return
    if moved.rank != _FAILED_RANK or moved.state is not AttemptState.ACCEPTED:
        return
    refused = moved.channel.provider.rule(moved.code).refusal(moved.code)
    # The contact is locked before its leads, as everywhere.
    outcomes.learn_from_refusal(about, channel_kind=moved.channel.kind, refused=refused)
    if about.greeted_lead_id:
        execute(
            sql.REOPEN_GREETING,
            {
                "organization_id": about.organization_id, "lead_id": about.greeted_lead_id,
                "channel": moved.channel.name,
            },
        )  # fmt: skip
    enqueue(outcomes.next_job(about, delay_s=0))
