"""What every model adapter speaks: a request is built, a response is read, and nothing here touches the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import orjson

from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.http import HttpRequest, HttpResponse

FinishReason = Literal["stop", "length", "refused"]
LONGEST_RETRY_AFTER_S = 120.0
# Money or quota is gone: asking again helps nobody until a person acts.
_SPENT_CODES = {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_error"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a model: trusted words in system, fenced data in user."""

    system: str
    user: str
    max_tokens: int = 120
    temperature: float = 0.6


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote and how it ended; only "stop" is a whole answer. Token counts are 0 where not told."""

    text: str | None
    finish_reason: FinishReason
    input_tokens: int = 0
    output_tokens: int = 0


class Adapter(Protocol):
    """A provider's wire format, both ways."""

    def build(self, ask: Ask) -> HttpRequest:
        """The request to make."""
        ...

    def read(self, response: HttpResponse) -> Answer:
        """The answer in a response; raises TemporaryFailure or PermanentFailure when there is none."""
        ...


def body_of(response: HttpResponse) -> Mapping[str, object]:
    """The JSON object of a 200; raises the failure that any other response means.

    Codes: rate_limited, overloaded, server_error, garbage (temporary); unauthorized, quota_exhausted, not_found,
    bad_request (permanent).  Source: providers.md sections 5.1 and 5.2.
    """
    body = _json(response.body)
    if response.status != 200:
        raise _failure(response, body)
    if body is None:
        raise TemporaryFailure("garbage")
    return body


def whole_number(value: object) -> int:
    """The value when it is a count, else 0: usage is optional and sometimes null."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _json(body: bytes) -> Mapping[str, object] | None:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _failure(response: HttpResponse, body: Mapping[str, object] | None) -> TemporaryFailure | PermanentFailure:
    status, codes = response.status, _error_codes(body)
    if status == 402 or codes & _SPENT_CODES:
        return PermanentFailure("quota_exhausted")
    if status in {401, 403}:
        return PermanentFailure("unauthorized")
    if status == 429:
        return TemporaryFailure("rate_limited", retry_after_s=_retry_after_s(response))
    if status in {503, 529}:
        return TemporaryFailure("overloaded", retry_after_s=_retry_after_s(response))
    if status >= 500 or status in {408, 409}:
        return TemporaryFailure("server_error", retry_after_s=_retry_after_s(response))
    return PermanentFailure("not_found" if status == 404 else "bad_request")


def _error_codes(body: Mapping[str, object] | None) -> set[str]:
    error = (body or {}).get("error")
    if not isinstance(error, dict):
        return set()
    return {value for value in (error.get("code"), error.get("type")) if isinstance(value, str)}


def _retry_after_s(response: HttpResponse) -> float | None:
    for header, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(response.headers.get(header, "")) * unit_s
        except ValueError:
            continue
        if seconds >= 0:  # also False for a NaN
            return min(seconds, LONGEST_RETRY_AFTER_S)
    return None
