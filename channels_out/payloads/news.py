"""What callbacks tell, in our words, whichever provider they came from. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from channels_out.delivery import Receipt


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One receipt. sender_id: the provider's id of our number, empty when the address names it.

    attempt_ref: what we sent along to be told again: the attempt's id, or anything else.
    """

    sender_id: str
    provider_id: str
    status: Receipt
    code: str
    reported_at: datetime | None
    attempt_ref: str


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One message that a person sent. phone (E.164) or bsuid is there, or both."""

    sender_id: str
    provider_id: str
    phone: str = field(repr=False)
    bsuid: str = field(repr=False, default="")
    name: str = field(repr=False, default="")
    content_type: str = "text"
    text: str = field(repr=False, default="")
    button_payload: str = field(repr=False, default="")
    at: datetime | None = None
    reply_to: str = ""
    provider_says_stop: bool = False
    provider_says_start: bool = False


@dataclass(frozen=True, kw_only=True)
class Preference:
    """A person told the provider what they want to hear from us: `stop` or `resume` of marketing."""

    sender_id: str
    phone: str = field(repr=False)
    wants: str


def cleaned(value: object, limit: int) -> str:
    """The text as PostgreSQL can hold it, cut to the limit; numbers as text, everything else as nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:limit]


def parsed_time(value: object) -> datetime | None:
    """The moment of a unix time in seconds, as text or number; None for what is none or absurd."""
    try:
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return None
