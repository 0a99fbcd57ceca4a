"""What a person writes to us belongs to their conversation, whichever channel it came on."""

from uuid import UUID

from django.db import transaction

from channels_out.threads import inbound_message, set_conversation
from conversations.services.threads import open_conversation
from leads.greeting_state import mark_replied
from leads.selectors import open_lead_of_contact
from routing.jobs import finish_here


@transaction.atomic
def thread_message(*, organization_id: UUID, message_id: UUID) -> None:
    """The inbound message stands in its contact's open conversation, and the lead has replied.

    A word of refusal is threaded as well, but is no reply.  A second call changes nothing.
    """
    message = inbound_message(organization_id=organization_id, message_id=message_id)
    if message is None:
        return
    lead_id = message.lead_id or open_lead_of_contact(organization_id=organization_id, contact_id=message.contact_id)
    conversation_id = open_conversation(
        organization_id=organization_id,
        contact_id=message.contact_id,
        lead_id=lead_id,
        inbound_at=message.received_at,
    )
    set_conversation(
        organization_id=organization_id, message_id=message_id, conversation_id=conversation_id, lead_id=lead_id
    )
    if lead_id is not None and not message.is_stop:
        mark_replied(organization_id=organization_id, lead_id=lead_id, at=message.received_at)
    finish_here()
