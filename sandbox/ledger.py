"""What was asked of every provider and what became of it: the witness that tests and benchmarks call."""

import itertools
from collections import deque
from collections.abc import Iterator
from typing import TypedDict

LEDGER_SIZE = 200_000
KEPT_BODY_BYTES = 4096


class Entry:
    """One request. Times are epoch seconds; `processed_at` is set when the provider did what it was asked.

    outcome: open | answered | refused | hung | reset | dropped | dripping | client_left | forgotten.
    """

    __slots__ = (
        "account", "answered_at", "arrived_at", "body", "code", "id", "kind", "number", "opaque", "outcome",
        "processed_at", "provider", "signature_ok", "status", "template", "text", "to",
    )  # fmt: skip

    def __init__(self, *, number: int, provider: str, kind: str, account: str, arrived_at: float, body: bytes) -> None:
        self.number = number
        self.provider = provider
        self.kind = kind
        self.account = account
        self.arrived_at = arrived_at
        self.body = body[:KEPT_BODY_BYTES]
        self.to = ""
        self.id: str | None = None
        self.opaque: str | None = None
        self.template: str | None = None
        self.text = ""
        self.code: int | None = None
        self.status: int | None = None
        self.processed_at: float | None = None
        self.answered_at: float | None = None
        self.signature_ok: bool | None = None
        self.outcome = "open"

    def as_json(self) -> dict[str, object]:
        """All fields; the body as text."""
        values: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        values["body"] = self.body.decode("utf-8", "replace")
        return values


class Accepted(TypedDict):
    """Messages one recipient got from one provider; times (epoch seconds) of the first one."""

    count: int
    answered_count: int
    arrived_at: float
    processed_at: float
    answered_at: float | None


class Ledger:
    """The newest requests, bounded; older ones fall out and are counted."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._entries: deque[Entry] = deque(maxlen=LEDGER_SIZE)
        self.total = 0

    def open(self, *, provider: str, kind: str, account: str, arrived_at: float, body: bytes) -> Entry:
        """A new entry for a request that has just been read."""
        self.total += 1
        entry = Entry(
            number=next(self._numbers), provider=provider, kind=kind, account=account, arrived_at=arrived_at, body=body
        )
        self._entries.append(entry)
        return entry

    def clear(self, account: str | None = None) -> None:
        """Forget all entries, or those of one account; what they would still have caused does not happen."""
        kept: list[Entry] = []
        for entry in self._entries:
            if account in (None, entry.account):
                entry.outcome = "forgotten"
            else:
                kept.append(entry)
        self._entries = deque(kept, maxlen=LEDGER_SIZE)

    def find(
        self,
        *,
        provider: str | None = None,
        kind: str | None = None,
        account: str | None = None,
        to: str | None = None,
        since: float = 0.0,
        after: int = 0,
    ) -> Iterator[Entry]:
        """Entries in order of arrival that match every filter given; `after` is an entry's number."""
        for entry in self._entries:
            if (
                entry.arrived_at >= since
                and entry.number > after
                and provider in (None, entry.provider)
                and kind in (None, entry.kind)
                and account in (None, entry.account)
                and to in (None, entry.to)
            ):
                yield entry

    def accepted(self, *, account: str | None = None, since: float = 0.0) -> dict[str, dict[str, Accepted]]:
        """By recipient and provider: how many messages were processed, and when the first was accepted.

        `answered_at` is None while no answer reached the caller.
        """
        recipients: dict[str, dict[str, Accepted]] = {}
        for entry in self.find(kind="message", account=account, since=since):
            if entry.processed_at is None:
                continue
            providers = recipients.setdefault(entry.to, {})
            seen = providers.get(entry.provider)
            if seen is None:
                seen = providers[entry.provider] = Accepted(
                    count=0,
                    answered_count=0,
                    arrived_at=entry.arrived_at,
                    processed_at=entry.processed_at,
                    answered_at=None,
                )
            seen["count"] += 1
            if entry.outcome == "answered":
                seen["answered_count"] += 1
                seen["answered_at"] = seen["answered_at"] or entry.answered_at
        return recipients
