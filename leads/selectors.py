"""Every read of leads and contacts that other packages and the API need; each takes the organization."""

import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from cachetools import TTLCache, cached
from django.db.models import QuerySet

from leads.choices import Refusal
from leads.consent_sql import SENDING_REFUSAL
from leads.models import Contact, Lead, LeadSource
from leads.submission import SourceFacts
from leads.timeline import Timeline, fold
from routing.selectors import events_of
from swiftex.database import fetch_one

SOURCE_CACHE_S = 2.0
_sources: TTLCache[Hashable, SourceFacts | None] = TTLCache(maxsize=5_000, ttl=SOURCE_CACHE_S)
_sources_lock = threading.Lock()

_LEAD_FOR_GREETING = f"""
SELECT lead.id, lead.organization_id, lead.contact_id,
       contact.name, contact.first_name, contact.last_name,
       coalesce(nullif(lead.phone, ''), contact.phone), coalesce(nullif(lead.email, ''), contact.email),
       contact.region, contact.timezone, lead.message, lead.attributes, lead.campaign, source.key, source.kind,
       lead.status, lead.consent, {SENDING_REFUSAL}, lead.decision,
       lead.greeting_asked_at, lead.received_at, lead.created_at, lead.greeting_state, lead.greeting_round,
       lead.owner_id,
       organization.slug, organization.name, organization.timezone, organization.first_message_budget_ms,
       organization.on_ambiguous
FROM leads_lead lead
JOIN leads_contact contact ON contact.organization_id = lead.organization_id AND contact.id = lead.contact_id
JOIN leads_leadsource source ON source.organization_id = lead.organization_id AND source.id = lead.source_id
JOIN accounts_organization organization ON organization.id = lead.organization_id
WHERE lead.organization_id = %s AND lead.id = %s
"""  # noqa: S608 - constants of the product
_JSON_COLUMNS = frozenset({11, 18})  # attributes and decision


@dataclass(frozen=True, slots=True)
class LeadForGreeting:
    """A lead with everything that greeting, syncing or announcing it needs; read by one statement.

    phone and email: as given with this lead, or the contact's; empty when there is none.  region: ISO 3166-1, or "".
    refusal: why nothing may be sent, or None.  asked_at: the moment from which the greeting's budget runs; the
    received_at of the first submission, or of a later one when the greeting is owed anew.
    """

    lead_id: UUID
    organization_id: UUID
    contact_id: UUID
    name: str
    first_name: str
    last_name: str
    phone: str
    email: str
    region: str
    contact_timezone: str
    message: str
    attributes: Mapping[str, Any]
    campaign: str
    source_key: str
    source_kind: str
    status: str
    consent: str
    refusal: str | None
    decision: Mapping[str, Any]
    asked_at: datetime
    received_at: datetime
    created_at: datetime
    greeting_state: str
    greeting_round: int
    owner_id: int | None
    organization_slug: str
    organization_name: str
    organization_timezone: str
    first_message_budget_ms: int
    on_ambiguous: str

    @property
    def first_message_due_at(self) -> datetime:
        """When the first message is due with the channel."""
        return self.asked_at + timedelta(milliseconds=self.first_message_budget_ms)

    @property
    def is_opted_out(self) -> bool:
        """True when the person said stop."""
        return self.refusal == Refusal.OPTED_OUT

    @property
    def obligation_key(self) -> str:
        """Names the first message for ever; a greeting that is asked for anew after it failed has a key of its own."""
        suffix = f":{self.greeting_round}" if self.greeting_round > 1 else ""
        return f"greeting:{self.lead_id}{suffix}"

    @property
    def channel_order(self) -> tuple[str, ...] | None:
        """The channels that the rules chose, or None for the organization's own order."""
        order = self.decision.get("channel_order")
        return tuple(order) if order else None


def lead_for_greeting(*, organization_id: UUID, lead_id: UUID) -> LeadForGreeting | None:
    """The lead as it stands now, or None; one statement."""
    row = fetch_one(_LEAD_FOR_GREETING, [organization_id, lead_id])
    return None if row is None else LeadForGreeting(*_with_json(row))


@cached(_sources, lock=_sources_lock)
def source_named(*, organization_id: UUID, key: str) -> SourceFacts | None:
    """The active source of that key, at most 2 s old, or None."""
    source = LeadSource.objects.filter(organization_id=organization_id, key=key, is_active=True).first()
    if source is None:
        return None
    return SourceFacts(
        id=source.id,
        organization_id=organization_id,
        key=source.key,
        kind=source.kind,
        consent=source.consent,
        consent_text=source.consent_text,
        consent_version=source.consent_version,
        fields=tuple(source.fields),
        duplicate_window_days=source.duplicate_window_days,
    )


def forget_cached_sources() -> None:
    """The next look at a source in this process asks the database."""
    with _sources_lock:
        _sources.clear()


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """A contact as senders and callbacks need it."""

    id: UUID
    organization_id: UUID
    name: str
    first_name: str
    phone: str
    email: str
    region: str
    opted_out_at: datetime | None


_CONTACT_COLUMNS = ("id", "organization_id", "name", "first_name", "phone", "email", "region", "opted_out_at")


def contact_by_identity(*, organization_id: UUID, kind: str, value: str) -> ContactFacts | None:
    """The contact known by this normal form (kind: phone | email), or None."""
    row = (
        Contact.objects.filter(
            organization_id=organization_id,
            identities__organization_id=organization_id,
            identities__kind=kind,
            identities__value=value,
        )
        .values_list(*_CONTACT_COLUMNS)
        .first()
    )
    return None if row is None else ContactFacts(*row)


def contact_by_id(*, organization_id: UUID, contact_id: UUID) -> ContactFacts | None:
    """The contact, or None."""
    row = Contact.objects.filter(organization_id=organization_id, pk=contact_id).values_list(*_CONTACT_COLUMNS).first()
    return None if row is None else ContactFacts(*row)


def open_lead_of_contact(*, organization_id: UUID, contact_id: UUID) -> UUID | None:
    """The contact's newest lead that is neither closed nor spam, else the newest of any status but spam; or None."""
    row = fetch_one(
        "SELECT id FROM leads_lead WHERE organization_id = %s AND contact_id = %s AND status <> 'spam' "
        "ORDER BY (status = 'closed'), received_at DESC LIMIT 1",
        [organization_id, contact_id],
    )
    return None if row is None else row[0]


def timeline_of(*, organization_id: UUID, lead_id: UUID) -> Timeline:
    """The lead's timeline as of now, folded from its events."""
    return fold(events_of(organization_id=organization_id, correlation_id=lead_id))


def leads_of(organization_id: UUID) -> "QuerySet[Lead]":
    """The organization's leads with their contacts and sources, unsorted."""
    return Lead.objects.filter(organization_id=organization_id).select_related("contact", "source")


def contacts_of(organization_id: UUID) -> "QuerySet[Contact]":
    """The organization's contacts, unsorted."""
    return Contact.objects.filter(organization_id=organization_id)


def _with_json(row: tuple[Any, ...]) -> list[Any]:
    """The row with its jsonb columns as dicts: Django hands them to hand-written statements as text."""
    return [orjson.loads(value) if index in _JSON_COLUMNS else value for index, value in enumerate(row)]
