"""A lead's timeline: its moments, what each stretch took, and every fact in words; folded from its events. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol

_DAY_MS = 86_400_000
_UNITS = ((10_000, 1, "ms"), (120_000, 1000, "s"), (7_200_000, 60_000, "min"), (2 * _DAY_MS, 3_600_000, "h"))


class Fact(Protocol):
    """An event as the log holds it."""

    type: str
    data: Mapping[str, Any]
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One of the nine moments of a lead; ms: since it was received."""

    name: str
    at: datetime
    ms: float


@dataclass(frozen=True, slots=True)
class Segment:
    """The stretch that ends with the moment `name`; start_ms: since the lead was received."""

    name: str
    label: str
    start_ms: float
    ms: float
    is_slowest: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact in words, without any personal data."""

    at: datetime
    ms: float
    type: str
    label: str

    @property
    def after(self) -> str:
        """How long after the lead was received, in a unit that reads well."""
        for most_ms, unit_ms, unit in _UNITS:
            if self.ms < most_ms:
                return f"{self.ms / unit_ms:.0f} {unit}"
        return f"{self.ms / _DAY_MS:.0f} d"


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to a lead, in the order of time; segments lead to the channel's acceptance and no further."""

    moments: tuple[Moment, ...]
    segments: tuple[Segment, ...]
    entries: tuple[Entry, ...]

    @property
    def slowest(self) -> Segment | None:
        """The part that took longest on the way to the first message."""
        return next((segment for segment in self.segments if segment.is_slowest), None)

    @property
    def first_response_ms(self) -> float | None:
        """Received to accepted by a channel, None before that."""
        return next((moment.ms for moment in self.moments if moment.name == "channel accepted"), None)

    @property
    def is_empty(self) -> bool:
        """True when no event of the lead is known."""
        return not self.entries


MOMENTS = (
    "received",
    "committed",
    "dispatched",
    "started",
    "model answered",
    "channel accepted",
    "delivered",
    "read",
    "replied",
)
_SEGMENT_LABELS = {
    "committed": "capture",
    "dispatched": "relay",
    "started": "queue",
    "model answered": "language model",
    "channel accepted": "channel",
}
_WITHOUT_MODEL = "wait for the model, then channel"
_ACCEPTED_MOMENTS = {
    "dispatched": "dispatched_at",
    "started": "started_at",
    "model answered": "model_answered_at",
    "channel accepted": "accepted_at",
}


def fold(facts: Iterable[Fact]) -> Timeline:
    """The timeline of one lead from the events with its correlation id, in any order.

    A greeting that was asked for anew counts from there: its moments are measured from the submission that owed it.
    """
    ordered = sorted(facts, key=lambda fact: fact.occurred_at)
    if not ordered:
        return Timeline((), (), ())
    at = _moments(ordered)
    captured_at = _captured_at(ordered)
    asked_at = at.get("received", captured_at)
    moments = tuple(Moment(name, at[name], _ms(asked_at, at[name])) for name in MOMENTS if name in at)
    told = sorted(((_happened_at(fact), fact) for fact in ordered), key=lambda pair: pair[0])
    entries = tuple(Entry(when, _ms(captured_at, when), fact.type, _label(fact)) for when, fact in told)
    return Timeline(moments, _segments(moments), entries)


def _happened_at(fact: Fact) -> datetime:
    """A report tells of a moment before it was folded into an event."""
    return _time(fact.data.get("at")) or fact.occurred_at


def _captured_at(facts: list[Fact]) -> datetime:
    created = next((fact for fact in facts if fact.type == "lead.created"), None)
    return (created and _time(created.data.get("received_at"))) or facts[0].occurred_at


def _moments(facts: list[Fact]) -> dict[str, datetime]:
    """The first time of each moment; those of the greeting alone, for a lead has other messages later."""
    at: dict[str, datetime] = {}
    accepted = [f for f in facts if f.type == "message.accepted" and f.data.get("obligation") == "greeting"]
    asked_at = _time(accepted[0].data.get("received_at")) if accepted else None
    for fact in facts:
        if fact.type in ("lead.created", "lead.resubmitted"):
            received_at = _time(fact.data.get("received_at"))
            is_the_one = received_at == asked_at if asked_at else fact.type == "lead.created"
            if is_the_one and received_at:
                at.setdefault("received", received_at)
                at.setdefault("committed", fact.recorded_at)
        elif fact.type == "message.received":
            at.setdefault("replied", _time(fact.data.get("received_at")) or fact.occurred_at)
    if asked_at:
        at.setdefault("received", asked_at)
    if accepted:
        at |= {name: time for name, key in _ACCEPTED_MOMENTS.items() if (time := _time(accepted[0].data.get(key)))}
    return at | _reports(facts, {str(fact.data["message_id"]) for fact in accepted})


def _reports(facts: list[Fact], greeting_ids: set[str]) -> dict[str, datetime]:
    at: dict[str, datetime] = {}
    for fact in facts:
        is_report = fact.type in ("message.delivered", "message.read")
        if is_report and str(fact.data.get("message_id")) in greeting_ids:
            at.setdefault(fact.type.removeprefix("message."), _time(fact.data.get("at")) or fact.occurred_at)
    return at


def _segments(moments: tuple[Moment, ...]) -> tuple[Segment, ...]:
    way = [moment for moment in moments if moment.name == "received" or moment.name in _SEGMENT_LABELS]
    stretches = []
    for before, after in pairwise(way):
        is_without_model = after.name == "channel accepted" and before.name == "started"
        label = _WITHOUT_MODEL if is_without_model else _SEGMENT_LABELS[after.name]
        stretches.append((after.name, label, before.ms, max(0.0, round(after.ms - before.ms, 3))))
    longest = max((stretch[3] for stretch in stretches), default=0.0)
    slowest = next((index for index, stretch in enumerate(stretches) if stretch[3] == longest), None)
    return tuple(Segment(*stretch, is_slowest=index == slowest) for index, stretch in enumerate(stretches))


def _label(fact: Fact) -> str:
    data = fact.data
    label = _WORDS.get(fact.type, fact.type).format_map(
        _Shown(
            source=data.get("source"),
            channel=data.get("channel") or data.get("channel_kind"),
            reason=data.get("reason"),
            code=f" ({data['code']})" if data.get("code") else "",
            matched_by=str(data.get("matched_by", "")).replace("_", " "),
            text=_text_source(data),
            again=", greeted again" if data.get("greet_again") else "",
            spam=", held back as spam" if data.get("is_spam") else "",
            connection=data.get("connection"),
            obligation=data.get("obligation") or "message",
            owner=data.get("owner_id"),
        )
    )
    return label[:1].upper() + label[1:]


class _Shown(dict[str, Any]):
    """Values for a label; one that a fact does not have reads as a dash."""

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        return "-" if value is None else str(value)


_WORDS = {
    "lead.created": "Captured from {source}{spam}",
    "lead.resubmitted": "Came in again from {source}, known by {matched_by}{again}",
    "lead.assigned": "Assigned to user {owner}",
    "lead.marked_spam": "Marked as spam",
    "lead.synced": "Synced to {connection}",
    "message.accepted": "{obligation} accepted by {channel}{text}",
    "message.sent": "Sent on {channel}",
    "message.delivered": "Delivered on {channel}",
    "message.read": "Read on {channel}",
    "message.failed": "Failed on {channel}: {reason}{code}",
    "message.suppressed": "{obligation} not sent: {reason}",
    "message.unresolved": "Nobody can say whether {channel} took it",
    "message.received": "Answered on {channel}",
    "contact.opted_out": "Opted out",
    "contact.opted_in": "Opted in again",
}


def _text_source(data: Mapping[str, Any]) -> str:
    if data.get("text_source") == "model":
        return ", written by the model"
    if data.get("text_source") == "fallback":
        reason = data.get("text_reason")
        return ", fallback text" + (f" ({reason})" if reason else "")
    return ""


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


def _ms(since: datetime, at: datetime) -> float:
    return round((at - since).total_seconds() * 1000, 3)
