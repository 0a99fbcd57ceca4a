"""What a person wrote is stored, and STOP takes effect, all in the transaction that stores the callback."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from channels_out.payloads.news import Heard, Preference
from channels_out.senders import Sender
from channels_out.stop_words import Keyword, recognize
from leads import consent, strangers
from leads.selectors import contact_by_id, contact_by_identity, open_lead_of_contact
from routing.events import NewEvent, record
from swiftex.database import execute, fetch_one
from swiftex.ids import new_id

_STORE = """
INSERT INTO channels_out_message (id, organization_id, direction, contact_id, lead_id, channel_id, text, content_type,
                                  status, provider_id, parameters, received_at)
VALUES (%(id)s, %(organization_id)s, 'in', %(contact_id)s, %(lead_id)s, %(channel_id)s, %(text)s, %(content_type)s,
        'received', %(provider_id)s, jsonb_build_object('reply_to', %(reply_to)s::text, 'payload', %(payload)s::text),
        %(at)s)
ON CONFLICT (organization_id, channel_id, provider_id) WHERE direction = 'in' DO NOTHING
RETURNING id
"""
_WINDOW = """
INSERT INTO channels_out_contactwindow (id, organization_id, channel_id, contact_id, last_inbound_at)
VALUES (%(id)s, %(organization_id)s, %(channel_id)s, %(contact_id)s, %(at)s)
ON CONFLICT (channel_id, contact_id) DO UPDATE
SET last_inbound_at = greatest(channels_out_contactwindow.last_inbound_at, excluded.last_inbound_at)
"""
_REACHABLE = """
DELETE FROM channels_out_unreachable WHERE organization_id = %s AND contact_id = %s AND channel_kind = %s
"""


@dataclass(frozen=True)
class Inbound:
    """A stored message of a person."""

    message_id: UUID
    contact_id: UUID
    keyword: Keyword | None


def record_inbound(*, sender: Sender, heard: Heard, now: datetime) -> Inbound | None:
    """The message is stored once, its person known, STOP or START in effect, `message.received` recorded.

    None when this provider id was stored before: then nothing happens.  Inside the caller's transaction; contact, then
    message, then jobs are locked.  A keyword needs no language model, and START counts only for who had opted out.
    """
    contact_id = _contact_of(sender, heard)
    at = min(heard.at or now, now)
    lead_id = open_lead_of_contact(organization_id=sender.organization_id, contact_id=contact_id)
    message_id = _store(sender, heard, contact_id, lead_id, at)
    if message_id is None:
        return None
    key = {"organization_id": sender.organization_id, "channel_id": sender.id, "contact_id": contact_id}
    execute(_WINDOW, key | {"id": new_id(), "at": at})
    execute(_REACHABLE, [sender.organization_id, contact_id, sender.kind])
    keyword = _obey(sender, heard, contact_id, message_id, now)
    record(_received(sender, message_id, contact_id, lead_id, keyword, now))
    return Inbound(message_id, contact_id, keyword)


def record_preference(*, sender: Sender, wish: Preference, now: datetime) -> bool:
    """Who asked the provider to stop our marketing has opted out; True if that is what was asked.

    `resume` changes nothing: it speaks of marketing on one channel, and may not undo a STOP said elsewhere.
    """
    if wish.wants != "stop":
        return False
    contact_id = strangers.contact_of(organization_id=sender.organization_id, kind="phone", value=wish.phone)
    consent.opt_out(
        organization_id=sender.organization_id, contact_id=contact_id, channel_kind=sender.kind,
        source="user_preferences", evidence={"value": wish.wants}, at=now,
    )  # fmt: skip
    return True


def _contact_of(sender: Sender, heard: Heard) -> UUID:
    """By number first; a person known by the provider's own id as well gets both identities."""
    organization_id = sender.organization_id
    if not heard.phone:
        return strangers.contact_of(organization_id=organization_id, kind="bsuid", value=heard.bsuid, name=heard.name)
    if heard.bsuid:
        known = contact_by_identity(organization_id=organization_id, kind="phone", value=heard.phone)
        by_bsuid = contact_by_identity(organization_id=organization_id, kind="bsuid", value=heard.bsuid)
        if known is None and by_bsuid is not None:
            strangers.add_identity(
                organization_id=organization_id, contact_id=by_bsuid.id, kind="phone", value=heard.phone
            )
            return by_bsuid.id
    contact_id = strangers.contact_of(organization_id=organization_id, kind="phone", value=heard.phone, name=heard.name)
    if heard.bsuid:
        strangers.add_identity(organization_id=organization_id, contact_id=contact_id, kind="bsuid", value=heard.bsuid)
    return contact_id


def _store(sender: Sender, heard: Heard, contact_id: UUID, lead_id: UUID | None, at: datetime) -> UUID | None:
    row = fetch_one(
        _STORE,
        {
            "id": new_id(),
            "organization_id": sender.organization_id,
            "contact_id": contact_id,
            "lead_id": lead_id,
            "channel_id": sender.id,
            "text": heard.text,
            "content_type": heard.content_type[:30],
            "provider_id": heard.provider_id,
            "reply_to": heard.reply_to,
            "payload": heard.button_payload,
            "at": at,
        },
    )
    return None if row is None else row[0]


def _obey(sender: Sender, heard: Heard, contact_id: UUID, message_id: UUID, now: datetime) -> Keyword | None:
    keyword = _keyword(heard)
    facts: dict[str, Any] = {
        "organization_id": sender.organization_id,
        "contact_id": contact_id,
        "channel_kind": sender.kind,
        "source": f"{keyword}_word",
        "evidence": {"message_id": str(message_id)},
        "at": now,
    }
    if keyword is Keyword.STOP:
        consent.opt_out(**facts)
    elif keyword is Keyword.START:
        contact = contact_by_id(organization_id=sender.organization_id, contact_id=contact_id)
        if contact is None or contact.opted_out_at is None:
            return None
        consent.opt_in(**facts)
    return keyword


def _keyword(heard: Heard) -> Keyword | None:
    if heard.provider_says_stop:
        return Keyword.STOP
    if heard.provider_says_start:
        return Keyword.START
    found = {recognize(words) for words in (heard.text, heard.button_payload) if words}
    return next((keyword for keyword in (Keyword.STOP, Keyword.START, Keyword.HELP) if keyword in found), None)


def _received(
    sender: Sender, message_id: UUID, contact_id: UUID, lead_id: UUID | None, keyword: Keyword | None, now: datetime
) -> NewEvent:
    return NewEvent(
        organization_id=sender.organization_id,
        type="message.received",
        subject=str(message_id),
        data={
            "message_id": str(message_id),
            "lead_id": None if lead_id is None else str(lead_id),
            "contact_id": str(contact_id),
            "conversation_id": None,
            "channel": sender.name,
            "channel_kind": sender.kind,
            "is_stop": keyword is Keyword.STOP,
            "is_start": keyword is Keyword.START,
            "received_at": now.isoformat(),
        },
        correlation_id=lead_id,
    )
