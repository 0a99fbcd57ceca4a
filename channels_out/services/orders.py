"""What is asked of `deliver`, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class DeliveryOrder:
    """One message that is owed.

    obligation: what it is for, such as `greeting`; a greeting's outcome is noted on the lead.  obligation_key: unique
    in the organization for ever, such as `greet:<lead id>:<round>`; an order whose key is known is continued, never
    begun again.  channel_names: in the wanted order.  text: what a channel without templates sends; with a template it
    is the AI line, and the text that is stored and sent everywhere is the template's body filled in.  parameters: by
    name; `ai_line` is set to the text when it is missing.  max_age_s: counted from received_at; an older message waits
    for a person.
    """

    organization_id: UUID
    obligation: str
    obligation_key: str
    lead_id: UUID | None
    contact_id: UUID
    channel_names: tuple[str, ...]
    text: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    template_name: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    conversation_id: UUID | None = None
    text_source: str = ""
    text_reason: str | None = None
    unknown_wait_s: float = 20.0
    max_age_s: float = 1800.0
    deadline_at: datetime | None = None
    received_at: datetime | None = None
    dispatched_at: datetime | None = None
    started_at: datetime | None = None
    model_answered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """Where the message stands now.

    state: accepted (or further, for a repeated order), sending (unknown: settled later by a job of ours), suppressed,
    failed, unresolved.  reason: why, unless it was accepted.  message_id None: nothing was stored.
    """

    message_id: UUID | None
    state: str
    channel_name: str | None = None
    reason: str = ""
