"""Pure: the dials of a provider, and which rule turns them for a request."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

FAULTS = {
    "none": "processed and answered",
    "error": "refused with `error_code` / `error_status`",
    "hang": "accepted, never answered (closed after `hang_s` if given)",
    "reset": "TCP reset at once, not processed",
    "reset_after": "processed, then a TCP reset instead of the answer",
    "drop": "processed, then the connection is closed without an answer",
    "garbage": "processed, answered 200 with HTML",
    "malformed": "processed, answered 200 with JSON that breaks off",
    "empty": "processed, answered 200 with no body",
    "flood": "processed, answered 200 with 10 MB",
    "drip_headers": "processed, the answer comes byte by byte from its status line on",
    "drip_body": "processed, the headers come at once, the body byte by byte",
}
# What the provider has done although its answer is lost; `processes` overrides it.
_PROCESSES_BY_DEFAULT = set(FAULTS) - {"error", "hang", "reset"}
SIGNATURES = ("right", "wrong", "missing")
ORDERS = ("forward", "reversed", "shuffled")


@dataclass(frozen=True, slots=True)
class Dials:
    """How a provider behaves towards one request. Times in milliseconds unless the name says otherwise."""

    median_ms: float = 0.0
    p95_ms: float | None = None  # with it, latency is lognormal; without, it is exactly the median
    fault: str = "none"
    fault_share: float = 1.0  # the fault meets this share of the requests
    processes: bool | None = None  # whether a faulty request still counts as processed; None: as the fault says
    error_code: int | None = None
    error_status: int | None = None
    retry_after_s: float | None = None
    hang_s: float | None = None
    drip_bytes: int = 1
    drip_interval_ms: float = 200.0
    rate_per_s: float | None = None  # per account
    rate_burst: float | None = None  # None: one second's worth
    pair_interval_s: float | None = None  # one message per account and recipient in this time (WhatsApp: 6)
    # Receipts of an accepted message.
    statuses: tuple[str, ...] | None = None  # None: sent, delivered; or the failing one if `failed_code` is set
    failed_code: int | None = None
    status_delay_ms: float = 200.0
    status_gap_ms: float = 300.0
    status_copies: int = 1
    status_order: str = "forward"
    status_before_answer: bool = False
    status_signature: str = "right"
    # The person's own answer to an accepted message.
    reply_text: str | None = None
    reply_delay_ms: float = 1000.0
    # What the model says.
    text: str | None = None
    finish_reason: str | None = None
    # WhatsApp: whether free text finds an open window. auto: open for 24 h after an inbound message.
    window: str = "auto"

    def latency_s(self, source: random.Random) -> float:
        """Seconds until the answer, drawn from the dialled distribution."""
        if self.p95_ms is None or self.median_ms <= 0:
            return self.median_ms / 1000
        sigma = math.log(self.p95_ms / self.median_ms) / 1.6449
        return self.median_ms * math.exp(sigma * source.gauss(0.0, 1.0)) / 1000

    def processes_with(self, fault: str) -> bool:
        """Whether a request that meets this fault was processed all the same."""
        return fault in _PROCESSES_BY_DEFAULT if self.processes is None else self.processes

    def turned(self, changes: Mapping[str, object]) -> "Dials":
        """The same dials with these changes laid over them. Raises ValueError naming a wrong key or value."""
        return replace(self, **checked_changes(changes))  # type: ignore[arg-type]


_NAMES = {item.name for item in fields(Dials)}
_CHOICES = {
    "fault": tuple(FAULTS),
    "status_order": ORDERS,
    "status_signature": SIGNATURES,
    "window": ("auto", "open", "closed"),
}


def checked_changes(changes: Mapping[str, object]) -> dict[str, object]:
    """The changes with lists made tuples. Raises ValueError naming an unknown dial or a value it cannot take."""
    checked: dict[str, object] = {}
    for name, value in changes.items():
        if name not in _NAMES:
            raise ValueError(f"unknown dial: {name}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name}: one of {', '.join(_CHOICES[name])}")
        checked[name] = tuple(value) if isinstance(value, list) else value
    return checked


@dataclass(slots=True)
class Rule:
    """Dials for the requests it matches. A field left None matches everything.

    account: phone_number_id, account sid or API key.  to: the whole number, with or without `+`.
    contains: a piece of the text (for a model: of the prompt).  times: how many requests it meets at most.
    """

    id: str
    dials: dict[str, object]
    provider: str | None = None
    account: str | None = None
    to: str | None = None
    to_ends: str | None = None
    contains: str | None = None
    times: int | None = None
    met: int = field(default=0)

    def meets(self, provider: str, account: str, to: str, text: str) -> bool:
        """True if the request is one of those this rule is for and it is not used up."""
        return (
            self.provider in (None, provider)
            and self.account in (None, account)
            and self.to in (None, to)
            and (self.to_ends is None or to.endswith(self.to_ends))
            and (self.contains is None or self.contains in text)
            and (self.times is None or self.met < self.times)
        )


def digits(number: str) -> str:
    """The number without `+`, blanks, dashes or a `whatsapp:` prefix."""
    return "".join(character for character in number if character.isdigit())
