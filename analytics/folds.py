"""What one event changes in the read models. Pure: state comes in, changes go out.

Measures (detail): captured, duplicate (matched by), accepted, greeted, fallback (reason), under_2s, bucket (number),
suppressed (reason), failed (code), unresolved, delivered, read, replied, stopped.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from analytics.histogram import bucket_of

PROMISE_MS = 2_000
GREETING = "greeting"

DayOf = Callable[[UUID, datetime], date]


class StatKey(NamedTuple):
    """What is counted; channel and detail are empty where they mean nothing."""

    organization_id: UUID
    day: date
    source: str
    channel: str
    measure: str
    detail: str


@dataclass(slots=True)
class Fact:
    """What is known of one lead so far."""

    organization_id: UUID
    source: str
    day: date
    received_at: datetime
    channel: str = ""
    first_response_ms: int | None = None
    is_replied: bool = False


@dataclass(frozen=True, slots=True)
class Happened:
    """One event as the fold sees it."""

    organization_id: UUID
    type: str
    data: Mapping[str, Any]
    occurred_at: datetime


@dataclass(slots=True)
class Tally:
    """The facts that a batch of events touches, and what it adds to the counts.

    facts: those known before, by lead; the fold adds to and changes them.  changed: leads whose fact must be stored.
    """

    day_of: DayOf
    facts: dict[UUID, Fact] = field(default_factory=dict)
    changed: set[UUID] = field(default_factory=set)
    counts: Counter[StatKey] = field(default_factory=Counter)

    def add(self, event: Happened) -> None:
        """The event is counted; a type that means nothing here changes nothing."""
        fold = _FOLDS.get(event.type)
        if fold is not None:
            fold(self, event)

    def count(self, event: Happened, measure: str, *, channel: str = "", detail: str = "") -> None:
        """One more of the measure, on the day and source of the event's lead."""
        fact = self.facts.get(lead_of(event.data) or UUID(int=0))
        day = fact.day if fact else self.day_of(event.organization_id, event.occurred_at)
        source = fact.source if fact else ""
        self.counts[StatKey(event.organization_id, day, source, channel, measure, detail[:64])] += 1


def lead_of(data: Mapping[str, Any]) -> UUID | None:
    """The lead that an event is about."""
    value = data.get("lead_id")
    return UUID(value) if isinstance(value, str) and value else None


def _captured(tally: Tally, event: Happened) -> None:
    lead_id = lead_of(event.data)
    if lead_id is None or lead_id in tally.facts:
        return
    received_at = _moment(event.data.get("received_at")) or event.occurred_at
    tally.facts[lead_id] = Fact(
        organization_id=event.organization_id,
        source=str(event.data.get("source") or "")[:64],
        day=tally.day_of(event.organization_id, received_at),
        received_at=received_at,
    )
    tally.changed.add(lead_id)
    tally.count(event, "captured")


def _duplicate(tally: Tally, event: Happened) -> None:
    received_at = _moment(event.data.get("received_at")) or event.occurred_at
    day = tally.day_of(event.organization_id, received_at)
    source, matched_by = str(event.data.get("source") or "")[:64], str(event.data.get("matched_by") or "")
    tally.counts[StatKey(event.organization_id, day, source, "", "duplicate", matched_by)] += 1


def _accepted(tally: Tally, event: Happened) -> None:
    if event.data.get("obligation") != GREETING:
        return
    channel = _channel(event)
    tally.count(event, "accepted", channel=channel)
    lead_id, accepted_at = lead_of(event.data), _moment(event.data.get("accepted_at"))
    fact = tally.facts.get(lead_id) if lead_id else None
    if lead_id is None or fact is None or accepted_at is None or fact.first_response_ms is not None:
        return
    elapsed_ms = max(0, round((accepted_at - fact.received_at).total_seconds() * 1000))
    fact.channel, fact.first_response_ms = channel, elapsed_ms
    tally.changed.add(lead_id)
    tally.count(event, "greeted", channel=channel)
    tally.count(event, "bucket", channel=channel, detail=str(bucket_of(elapsed_ms)))
    if elapsed_ms < PROMISE_MS:
        tally.count(event, "under_2s", channel=channel)
    if event.data.get("text_source") == "fallback":
        tally.count(event, "fallback", channel=channel, detail=str(event.data.get("text_reason") or "unknown"))


def _received(tally: Tally, event: Happened) -> None:
    if event.data.get("is_stop"):
        tally.count(event, "stopped", channel=_channel(event))
        return
    lead_id = lead_of(event.data)
    fact = tally.facts.get(lead_id) if lead_id else None
    if lead_id is None or fact is None or fact.is_replied:
        return
    fact.is_replied = True
    tally.changed.add(lead_id)
    tally.count(event, "replied", channel=_channel(event))


def _suppressed(tally: Tally, event: Happened) -> None:
    tally.count(event, "suppressed", detail=str(event.data.get("reason") or "unknown"))


def _failed(tally: Tally, event: Happened) -> None:
    if event.data.get("final"):
        detail = str(event.data.get("code") or event.data.get("reason") or "unknown")
        tally.count(event, "failed", channel=_channel(event), detail=detail)


def _simply(measure: str) -> Callable[[Tally, Happened], None]:
    return lambda tally, event: tally.count(event, measure, channel=_channel(event))


def _channel(event: Happened) -> str:
    return str(event.data.get("channel_kind") or "")[:20]


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


_FOLDS: dict[str, Callable[[Tally, Happened], None]] = {
    "lead.created": _captured,
    "lead.resubmitted": _duplicate,
    "message.accepted": _accepted,
    "message.received": _received,
    "message.suppressed": _suppressed,
    "message.failed": _failed,
    "message.unresolved": _simply("unresolved"),
    "message.delivered": _simply("delivered"),
    "message.read": _simply("read"),
}
TYPES = tuple(_FOLDS)
