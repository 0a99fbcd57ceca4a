"""The figures of a report, made from counts. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from analytics.histogram import percentile_ms


class CountRow(NamedTuple):
    """One stored count."""

    day: date
    source: str
    channel: str
    measure: str
    detail: str
    amount: int


@dataclass(slots=True)
class FirstResponse:
    """How the leads of one day and source were answered; totals have neither.

    greeted: by kind of channel.  fallbacks, suppressed, failed: by reason.  buckets: first-response times
    (analytics/histogram.py).  under_2s: greeted leads whose first message was accepted in less than 2 s.
    """

    day: date | None = None
    source: str | None = None
    captured: int = 0
    duplicates: int = 0
    under_2s: int = 0
    unresolved: int = 0
    replied: int = 0
    stopped: int = 0
    greeted: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, row: CountRow) -> None:
        """The row's amount is part of these figures."""
        by_key = {
            "greeted": (self.greeted, row.channel),
            "fallback": (self.fallbacks, row.detail),
            "suppressed": (self.suppressed, row.detail),
            "failed": (self.failed, row.detail),
        }
        if row.measure in by_key:
            counter, key = by_key[row.measure]
            counter[key] += row.amount
        elif row.measure == "bucket":
            self.buckets[int(row.detail)] += row.amount
        elif row.measure in _PLAIN:
            setattr(self, _PLAIN[row.measure], getattr(self, _PLAIN[row.measure]) + row.amount)

    @property
    def greeted_count(self) -> int:
        """Leads whose first message a channel accepted."""
        return self.greeted.total()

    @property
    def under_2s_share(self) -> float | None:
        """The share of greeted leads that were answered in less than 2 s; None when none was greeted."""
        return self.under_2s / self.greeted_count if self.greeted_count else None

    @property
    def told(self) -> dict[str, str]:
        """What was counted by channel or reason, as a line of words each, the most frequent first."""
        counters = {
            "greeted": self.greeted,
            "fallbacks": self.fallbacks,
            "suppressed": self.suppressed,
            "failed": self.failed,
        }
        return {
            name: ", ".join(f"{key or 'unknown'} {number}" for key, number in counter.most_common())
            for name, counter in counters.items()
        }

    @property
    def under_2s_percent(self) -> str | None:
        """The share for people, cut and not rounded: 100 only when it was every one."""
        share = self.under_2s_share
        return None if share is None else f"{int(share * 1000) / 10:g}"

    @property
    def under_2s_width(self) -> int:
        """The share as the width of a bar, 0 to 100."""
        return int((self.under_2s_share or 0) * 100)

    @property
    def p50_ms(self) -> int | None:
        """Half of the greeted leads waited no longer."""
        return percentile_ms(self.buckets, 0.5)

    @property
    def p95_ms(self) -> int | None:
        """19 of 20 greeted leads waited no longer."""
        return percentile_ms(self.buckets, 0.95)

    @property
    def p99_ms(self) -> int | None:
        """99 of 100 greeted leads waited no longer."""
        return percentile_ms(self.buckets, 0.99)

    def as_json(self) -> dict[str, object]:
        """The figures as the API tells them."""
        share = self.under_2s_share
        return {
            "day": self.day.isoformat() if self.day else None,
            "source": self.source,
            "captured": self.captured,
            "duplicates": self.duplicates,
            "greeted": self.greeted_count,
            "greeted_by_channel": dict(sorted(self.greeted.items())),
            "fallback_texts": dict(sorted(self.fallbacks.items())),
            "suppressed": dict(sorted(self.suppressed.items())),
            "failed": dict(sorted(self.failed.items())),
            "unresolved": self.unresolved,
            "replied": self.replied,
            "stopped": self.stopped,
            "first_response_p50_ms": self.p50_ms,
            "first_response_p95_ms": self.p95_ms,
            "first_response_p99_ms": self.p99_ms,
            "under_2s_share": None if share is None else round(share, 4),
        }


_PLAIN = {
    "captured": "captured",
    "duplicate": "duplicates",
    "under_2s": "under_2s",
    "unresolved": "unresolved",
    "replied": "replied",
    "stopped": "stopped",
}


def first_response(rows: Iterable[CountRow]) -> tuple[list[FirstResponse], FirstResponse]:
    """The figures by day and source, newest day first, and those of all rows together."""
    by_cell: defaultdict[tuple[date, str], FirstResponse] = defaultdict(FirstResponse)
    total = FirstResponse()
    for row in rows:
        cell = by_cell[row.day, row.source]
        cell.day, cell.source = row.day, row.source
        cell.add(row)
        total.add(row)
    ordered = sorted(by_cell.items(), key=lambda item: (-item[0][0].toordinal(), item[0][1]))
    return [cell for _, cell in ordered], total
