"""What a rule may look at. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts known at capture, without a look-up.

    event_type: dotted type of the event that is being decided.  region: ISO 3166 code of the phone number, or None.
    attributes: what the submission carried beside the contact's details.
    """

    event_type: str
    source: str
    source_kind: str
    campaign: str | None = None
    region: str | None = None
    has_phone: bool = False
    has_email: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
