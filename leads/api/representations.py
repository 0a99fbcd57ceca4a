"""Leads and contacts as the API shows them; the shapes are declared in leads/api/serializers.py."""

from typing import Any

from django.conf import settings

from leads.models import Contact, Lead
from leads.timeline import Timeline
from swiftex.ids import public_id


def lead_as_json(lead: Lead) -> dict[str, Any]:
    """The lead, with its contact and source loaded; empty texts are null."""
    lead_id = public_id("lead", lead.id)
    return {
        "id": lead_id,
        "url": f"{settings.PUBLIC_URL}/api/v1/leads/{lead_id}",
        "contact_id": public_id("con", lead.contact_id),
        "source": lead.source.key,
        "source_kind": lead.source.kind,
        "campaign": lead.campaign or None,
        "external_id": lead.external_id or None,
        "name": lead.contact.name or None,
        "phone": lead.phone or lead.contact.phone or None,
        "email": lead.email or lead.contact.email or None,
        "region": lead.contact.region or None,
        "message": lead.message or None,
        "attributes": lead.attributes,
        "utm": lead.utm,
        "consent": lead.consent,
        "status": lead.status,
        "tags": lead.tags,
        "owner_id": lead.owner_id,
        "received_at": lead.received_at,
        "created_at": lead.created_at,
        "replied_at": lead.replied_at,
        "greeting": {
            "state": lead.greeting_state,
            "reason": lead.greeting_reason or None,
            "channel": lead.greeting_channel or None,
            "asked_at": lead.greeting_asked_at,
            "greeted_at": lead.greeted_at,
        },
        "decision": lead.decision,
    }


def contact_as_json(contact: Contact) -> dict[str, Any]:
    """The contact; empty texts are null."""
    contact_id = public_id("con", contact.id)
    return {
        "id": contact_id,
        "url": f"{settings.PUBLIC_URL}/api/v1/contacts/{contact_id}",
        "name": contact.name or None,
        "first_name": contact.first_name or None,
        "last_name": contact.last_name or None,
        "phone": contact.phone or None,
        "email": contact.email or None,
        "region": contact.region or None,
        "opted_out_at": contact.opted_out_at,
        "created_at": contact.created_at,
        "updated_at": contact.updated_at,
    }


def timeline_as_json(lead: Lead, timeline: Timeline) -> dict[str, Any]:
    """The timeline of the lead."""
    return {
        "lead_id": public_id("lead", lead.id),
        "first_response_ms": timeline.first_response_ms,
        "slowest": timeline.slowest.label if timeline.slowest else None,
        "moments": [{"name": moment.name, "at": moment.at, "ms": moment.ms} for moment in timeline.moments],
        "segments": [
            {
                "name": segment.name,
                "label": segment.label,
                "start_ms": segment.start_ms,
                "ms": segment.ms,
                "slowest": segment.is_slowest,
            }
            for segment in timeline.segments
        ],
        "entries": [
            {"at": entry.at, "ms": entry.ms, "type": entry.type, "label": entry.label} for entry in timeline.entries
        ],
    }
