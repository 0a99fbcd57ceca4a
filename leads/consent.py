"""The consent ledger and what it forbids. A stop holds for every channel, identity and queued job (promise P7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from leads.choices import ConsentStatus
from leads.consent_sql import SENDING_REFUSAL
from leads.suppression import hash_of, hashes_of
from routing import events, jobs
from swiftex.database import execute, fetch_all, fetch_one
from swiftex.ids import new_id, public_id

# Jobs that would send something; all others (a sync, a notice to the owner) go on.
SENDING_JOBS = ("greet_lead",)

_LOCK_CONTACT = """
SELECT opted_out_at FROM leads_contact WHERE organization_id = %s AND id = %s FOR NO KEY UPDATE
"""
_IDENTITIES = (
    "SELECT kind, value FROM leads_identity WHERE organization_id = %s AND contact_id = %s ORDER BY kind, value"
)
_OPT_OUT = """
WITH suppressed AS (
    INSERT INTO leads_suppression (id, organization_id, kind, value_hash, reason, since)
    SELECT given.id, %(organization_id)s, given.kind, given.value_hash, %(source)s::text, %(at)s::timestamptz
    FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(hashes)s::text[]) AS given (id, kind, value_hash)
    ON CONFLICT (organization_id, kind, value_hash) DO NOTHING
),
contact AS (
    UPDATE leads_contact SET opted_out_at = %(at)s::timestamptz, opt_out_source = %(source)s::text, updated_at = now()
    WHERE organization_id = %(organization_id)s AND id = %(contact_id)s AND opted_out_at IS NULL
)
UPDATE leads_lead SET greeting_state = 'suppressed', greeting_reason = 'opted_out'
WHERE organization_id = %(organization_id)s AND contact_id = %(contact_id)s AND greeting_state = 'pending'
RETURNING id
"""
_OPT_IN = """
WITH freed AS (
    DELETE FROM leads_suppression WHERE organization_id = %(organization_id)s AND value_hash = ANY(%(hashes)s::text[])
)
UPDATE leads_contact SET opted_out_at = NULL, opt_out_source = '', updated_at = now()
WHERE organization_id = %(organization_id)s AND id = %(contact_id)s
"""
_RECORD = """
INSERT INTO leads_consentrecord (id, organization_id, contact_id, channel, purpose, status, source, evidence, at)
VALUES (%s, %s, %s, %s, 'contact', %s, %s, %s, %s)
"""
_REFUSAL_FOR_LEAD = f"""
SELECT {SENDING_REFUSAL} FROM leads_lead lead
JOIN leads_contact contact ON contact.organization_id = lead.organization_id AND contact.id = lead.contact_id
WHERE lead.organization_id = %s AND lead.id = %s
"""  # noqa: S608 - constants of the product
_REFUSAL_FOR_CONTACT = (
    "SELECT CASE WHEN opted_out_at IS NOT NULL THEN 'opted_out' END FROM leads_contact "
    "WHERE organization_id = %s AND id = %s"
)


class UnknownContact(LookupError):
    """The organization has no such contact."""


def opt_out(
    *,
    organization_id: UUID,
    contact_id: UUID,
    channel_kind: str | None,
    source: str,
    evidence: Mapping[str, Any],
    at: datetime,
) -> bool:
    """Nothing more is sent to the contact, on any channel: the ledger says so, the identities are suppressed, greetings
    that were owed are suppressed and their jobs cancelled. False when the contact had opted out before.

    Inside the caller's transaction; it takes the contact's lock. channel_kind: where it was said, None for everywhere.
    source: a code such as `stop_word`, `21610`, `admin`, `api`. evidence: what proves it. A second call adds a line to
    the ledger and changes nothing else. Raises UnknownContact.
    """
    was_out = _locked_opt_out(organization_id, contact_id) is not None
    _append(organization_id, contact_id, channel_kind, ConsentStatus.REVOKED, source, evidence, at)
    if was_out:
        return False
    identities = fetch_all(_IDENTITIES, [organization_id, contact_id])
    lead_ids = [
        row[0]
        for row in fetch_all(
            _OPT_OUT,
            {
                "organization_id": organization_id,
                "contact_id": contact_id,
                "source": source[:40],
                "at": at,
                "ids": [new_id() for _ in identities],
                "kinds": [kind for kind, _ in identities],
                "hashes": [hash_of(organization_id, kind, value) for kind, value in identities],
            },
        )
    ]
    _record("contact.opted_out", organization_id, contact_id, channel_kind, source)
    _suppress_greetings(organization_id, lead_ids)
    return True


def opt_in(
    *,
    organization_id: UUID,
    contact_id: UUID,
    channel_kind: str | None,
    source: str,
    evidence: Mapping[str, Any],
    at: datetime,
) -> bool:
    """The contact may be messaged again: the ledger says so and the suppression of the identities is lifted.

    Inside the caller's transaction. What was called off stays called off. False when the contact had not opted out;
    the ledger gets its line nonetheless. Raises UnknownContact.
    """
    was_out = _locked_opt_out(organization_id, contact_id) is not None
    _append(organization_id, contact_id, channel_kind, ConsentStatus.GRANTED, source, evidence, at)
    if not was_out:
        return False
    identities = fetch_all(_IDENTITIES, [organization_id, contact_id])
    execute(
        _OPT_IN,
        {
            "organization_id": organization_id,
            "contact_id": contact_id,
            "hashes": hashes_of(organization_id, identities),
        },
    )
    _record("contact.opted_in", organization_id, contact_id, channel_kind, source)
    return True


def sending_refusal(*, organization_id: UUID, contact_id: UUID, lead_id: UUID | None = None) -> str | None:
    """Why nothing may be sent to the contact (about the lead) right now, in one word; None when it may be.

    A contact or lead that is gone refuses as `gone`. To ask inside a statement of one's own, use
    leads.consent_sql.SENDING_REFUSAL.
    """
    row = (
        fetch_one(_REFUSAL_FOR_CONTACT, [organization_id, contact_id])
        if lead_id is None
        else fetch_one(_REFUSAL_FOR_LEAD, [organization_id, lead_id])
    )
    return "gone" if row is None else row[0]


def _locked_opt_out(organization_id: UUID, contact_id: UUID) -> datetime | None:
    row = fetch_one(_LOCK_CONTACT, [organization_id, contact_id])
    if row is None:
        raise UnknownContact(public_id("con", contact_id))
    opted_out_at: datetime | None = row[0]
    return opted_out_at


def _append(
    organization_id: UUID,
    contact_id: UUID,
    channel_kind: str | None,
    status: ConsentStatus,
    source: str,
    evidence: Mapping[str, Any],
    at: datetime,
) -> None:
    shown = orjson.dumps(dict(evidence)).decode()
    execute(
        _RECORD,
        [new_id(), organization_id, contact_id, channel_kind or "all", status.value, source[:64], shown, at],
    )


def _record(type: str, organization_id: UUID, contact_id: UUID, channel_kind: str | None, source: str) -> None:
    events.record(
        events.NewEvent(
            organization_id=organization_id,
            type=type,
            subject=public_id("con", contact_id),
            data={"contact_id": str(contact_id), "channel_kind": channel_kind, "source": source, "evidence": None},
        )
    )


def _suppress_greetings(organization_id: UUID, lead_ids: list[UUID]) -> None:
    """The greetings' jobs are called off; one that runs already asks for refusals itself, right before it sends."""
    if not lead_ids:
        return
    jobs.cancel(organization_id=organization_id, correlation_ids=lead_ids, kinds=list(SENDING_JOBS))
    events.record(
        *(
            events.NewEvent(
                organization_id=organization_id,
                type="message.suppressed",
                subject=public_id("lead", lead_id),
                correlation_id=lead_id,
                data={
                    "message_id": None,
                    "lead_id": str(lead_id),
                    "obligation": "greeting",
                    "reason": "opted_out",
                },
            )
            for lead_id in lead_ids
        )
    )
