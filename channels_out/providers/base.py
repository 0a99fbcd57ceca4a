"""What a sender of any kind can do: build one request, and read one answer. No I/O, no Django, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from channels_out.fallback import ErrorClass
from swiftex.http import HttpRequest


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a sender knows of itself: public settings and secret credentials, as configured."""

    settings: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text that the provider approved. parameters: their names, in the order of the body."""

    name: str
    language: str
    category: str
    parameter_format: str
    parameters: tuple[str, ...]
    body: str


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One message on its way out. template None: free text.  to: E.164."""

    attempt_id: UUID
    to: str = field(repr=False)
    text: str = field(repr=False)
    template: Template | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    status_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The provider has it, under this id.  known_as: the recipient's number in E.164 as the provider writes it."""

    provider_id: str
    known_as: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The provider does not have it, for certain. code: its own, or `http_<status>`, or a reason of ours."""

    code: str
    error: ErrorClass
    reason: str
    retry_after_s: float | None = None
    unreachable_days: int = 0
    breaker_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Perhaps it has it."""

    reason: str


Outcome = Accepted | Refused | Unknown


@dataclass(frozen=True, kw_only=True)
class ErrorRule:
    """What one code of a provider means to us.

    unreachable_days: for how long the person counts as not reachable over this kind of channel.
    breaker_s: for how long the whole sender is passed over.  Source: providers.md 1.2 and 3.4.
    """

    error: ErrorClass
    reason: str
    retry_after_s: float | None = None
    unreachable_days: int = 0
    breaker_s: float = 0.0

    def refusal(self, code: str, retry_after_s: float | None = None) -> Refused:
        """The refusal that this rule makes of a code; the provider's own hint wins when it is longer."""
        hints = [s for s in (self.retry_after_s, retry_after_s) if s is not None]
        return Refused(
            code=code, error=self.error, reason=self.reason, retry_after_s=max(hints) if hints else None,
            unreachable_days=self.unreachable_days, breaker_s=self.breaker_s,
        )  # fmt: skip


def leads_to(
    error: ErrorClass, reason: str, *, after: float | None = None, days: int = 0, breaker: float | None = None
) -> ErrorRule:
    """A line of a provider's table of codes; an error of the channel itself pauses it for a minute unless it says."""
    pause_s = 60.0 if error is ErrorClass.CHANNEL else 0.0
    return ErrorRule(
        error=error,
        reason=reason,
        retry_after_s=after,
        unreachable_days=days,
        breaker_s=pause_s if breaker is None else breaker,
    )


class Provider(Protocol):
    """A kind of sender."""

    kind: str

    def build_send(self, account: Account, message: Outgoing) -> HttpRequest:
        """The one request that sends the message; raises ValueError(reason) when it can't be sent at all."""
        ...

    def read_outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Yes, no or unknown. What is not listed is unknown; never raises, whatever the body holds."""
        ...

    def rule(self, code: str) -> ErrorRule:
        """What a code means, in an answer or in a later receipt."""
        ...


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header in its number form, in [0, 3600]; None for anything else."""
    try:
        return min(max(float(headers.get("retry-after", "")), 0.0), 3600.0)
    except ValueError:
        return None
