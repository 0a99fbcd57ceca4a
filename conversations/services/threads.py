"""Threads: every message, either way, belongs to the contact's one open conversation."""

from datetime import datetime
from uuid import UUID

from swiftex.database import fetch_all
from swiftex.ids import new_id

# One statement without a transaction of its own. Two at once agree, because a contact has one open conversation.
_OPEN = """
INSERT INTO conversations_conversation
    (id, organization_id, contact_id, lead_id, state, opened_at, last_inbound_at, last_outbound_at)
VALUES (%(id)s, %(organization_id)s, %(contact_id)s, %(lead_id)s::uuid, 'open', now(),
        %(inbound_at)s::timestamptz, %(outbound_at)s::timestamptz)
ON CONFLICT (organization_id, contact_id) WHERE state = 'open' DO UPDATE
SET lead_id = coalesce(excluded.lead_id, conversations_conversation.lead_id),
    last_inbound_at = greatest(conversations_conversation.last_inbound_at, excluded.last_inbound_at),
    last_outbound_at = greatest(conversations_conversation.last_outbound_at, excluded.last_outbound_at)
RETURNING id
"""


def open_conversation(
    *,
    organization_id: UUID,
    contact_id: UUID,
    lead_id: UUID | None,
    inbound_at: datetime | None = None,
    outbound_at: datetime | None = None,
) -> UUID:
    """The id of the contact's open conversation, opened now if there was none.

    inbound_at, outbound_at: when the contact wrote, or we turned to them; kept when later than what is known.
    A second call changes nothing more.
    """
    rows = fetch_all(
        _OPEN,
        {
            "id": new_id(),
            "organization_id": organization_id,
            "contact_id": contact_id,
            "lead_id": lead_id,
            "inbound_at": inbound_at,
            "outbound_at": outbound_at,
        },
    )
    conversation_id: UUID = rows[0][0]
    return conversation_id
