"""The statements of capture, written by hand because each runs for every lead (design D15, D17; docs/adr/0025)."""

import re

# A new person costs this one statement. The identities are written first, in sorted order: a conflict waits for the
# submission that is writing the same identity and then returns its contact, and the touch of the row keeps it locked
# until commit. Contact, lead, touch and consent follow only if every identity is ours alone; their foreign keys are
# checked at commit. An earlier touch with the same external id lends its contact, so that none is made beside it.
CAPTURE = """
WITH earlier AS (
    SELECT lead_id, contact_id FROM leads_touch
    WHERE organization_id = %(organization_id)s AND source_id = %(source_id)s AND external_id = %(external_id)s
),
known AS (
    INSERT INTO leads_identity (id, organization_id, kind, value, contact_id)
    SELECT given.id, %(organization_id)s, given.kind, given.value,
           coalesce((SELECT contact_id FROM earlier), %(contact_id)s)
    FROM unnest(%(identity_ids)s, %(kinds)s, %(values)s) AS given (id, kind, value)
    ORDER BY given.kind, given.value
    ON CONFLICT (organization_id, kind, value) DO UPDATE SET value = excluded.value
    RETURNING kind, contact_id
),
person AS (
    INSERT INTO leads_contact (id, organization_id, name, first_name, last_name, phone, email, region, timezone,
                               opted_out_at, opt_out_source)
    SELECT %(contact_id)s, %(organization_id)s, %(name)s, %(first_name)s, %(last_name)s, %(phone)s, %(email)s,
           %(region)s, '', suppressed.since, CASE WHEN suppressed.since IS NULL THEN '' ELSE 'suppression' END
    FROM (
        SELECT min(since) AS since FROM leads_suppression
        WHERE organization_id = %(organization_id)s AND value_hash = ANY(%(hashes)s)
    ) suppressed
    WHERE NOT EXISTS (SELECT FROM earlier) AND NOT EXISTS (SELECT FROM known WHERE contact_id <> %(contact_id)s)
    RETURNING id
),
lead AS (
    INSERT INTO leads_lead ({lead_columns})
    SELECT {lead_values} FROM person
),
touch AS (
    INSERT INTO leads_touch (id, organization_id, lead_id, contact_id, source_id, external_id, campaign, utm, consent,
                             received_at)
    SELECT %(touch_id)s, %(organization_id)s, %(lead_id)s, person.id, %(source_id)s, %(external_id)s, %(campaign)s,
           %(utm)s, %(consent)s, %(received_at)s
    FROM person
),
consent AS (
    INSERT INTO leads_consentrecord (id, organization_id, contact_id, channel, purpose, status, source, evidence, at)
    SELECT %(consent_record_id)s, %(organization_id)s, person.id, 'all', 'contact', %(consent_status)s, %(source_key)s,
           %(evidence)s, %(received_at)s
    FROM person WHERE %(consent_status)s <> ''
)
SELECT known.kind, known.contact_id, earlier.lead_id, earlier.contact_id, EXISTS (SELECT FROM person)
FROM known LEFT JOIN earlier ON true
"""

# Contacts are locked in the order of their ids; the statement after this one sees what the lock waited for.
LOCK_CONTACTS = """
SELECT id FROM leads_contact
WHERE organization_id = %(organization_id)s AND id = ANY(%(contact_ids)s)
ORDER BY id FOR NO KEY UPDATE
"""

# A known person: under the lock, the newest lead in the window is the first lead of this submission, or a new lead is
# made. A greeting that failed, was held back for a reason that is gone, or never left is owed once more.
REPEAT = """
WITH first AS (
    SELECT lead.id, lead.received_at, lead.greeting_asked_at, lead.greeting_state,
           NOT %(is_spam)s AND contact.opted_out_at IS NULL AND suppressed.since IS NULL AND lead.status <> 'spam'
           AND CASE WHEN %(consent)s = 'assumed' THEN lead.consent ELSE %(consent)s END <> 'refused'
           AND (lead.greeting_state IN ('failed', 'suppressed')
                OR (lead.greeting_state = 'pending'
                    AND lead.greeting_asked_at < %(received_at)s - {stalled_after})) AS is_owed
    FROM leads_lead lead
    JOIN leads_contact contact ON contact.organization_id = lead.organization_id AND contact.id = %(contact_id)s
    CROSS JOIN (
        SELECT min(since) AS since FROM leads_suppression
        WHERE organization_id = %(organization_id)s AND value_hash = ANY(%(hashes)s)
    ) suppressed
    WHERE lead.organization_id = %(organization_id)s
      AND (lead.id = %(earlier_lead_id)s
           OR (%(earlier_lead_id)s IS NULL AND lead.contact_id = %(contact_id)s AND lead.status <> 'spam'
               AND lead.received_at > %(received_at)s - %(window_days)s * interval '1 day'))
    ORDER BY lead.received_at DESC LIMIT 1
    FOR NO KEY UPDATE OF lead
),
changed AS (
    UPDATE leads_lead lead
    SET consent = CASE WHEN %(consent)s = 'assumed' THEN lead.consent ELSE %(consent)s END,
        greeting_state = CASE WHEN first.is_owed THEN 'pending' ELSE lead.greeting_state END,
        greeting_reason = CASE WHEN first.is_owed THEN '' ELSE lead.greeting_reason END,
        greeting_channel = CASE WHEN first.is_owed THEN '' ELSE lead.greeting_channel END,
        greeting_asked_at = CASE WHEN first.is_owed THEN %(received_at)s ELSE lead.greeting_asked_at END,
        greeting_round = lead.greeting_round
            + CASE WHEN first.is_owed AND lead.greeting_state <> 'pending' THEN 1 ELSE 0 END
    FROM first
    WHERE lead.id = first.id AND lead.organization_id = %(organization_id)s
      AND (first.is_owed OR (%(consent)s <> 'assumed' AND NOT %(is_spam)s))
),
made AS (
    INSERT INTO leads_lead ({lead_columns})
    SELECT {lead_values} WHERE NOT EXISTS (SELECT FROM first)
),
filled AS (
    UPDATE leads_contact
    SET name = CASE WHEN name = '' THEN %(name)s ELSE name END,
        first_name = CASE WHEN name = '' THEN %(first_name)s ELSE first_name END,
        last_name = CASE WHEN name = '' THEN %(last_name)s ELSE last_name END,
        region = CASE WHEN phone = '' THEN %(region)s ELSE region END,
        phone = CASE WHEN phone = '' THEN %(phone)s ELSE phone END,
        email = CASE WHEN email = '' THEN %(email)s ELSE email END,
        opt_out_source = CASE WHEN opted_out_at IS NULL AND suppressed.since IS NOT NULL THEN 'suppression'
                              ELSE opt_out_source END,
        opted_out_at = coalesce(opted_out_at, suppressed.since),
        updated_at = now()
    FROM (
        SELECT min(since) AS since FROM leads_suppression
        WHERE organization_id = %(organization_id)s AND value_hash = ANY(%(hashes)s)
    ) suppressed
    WHERE organization_id = %(organization_id)s AND id = %(contact_id)s AND NOT %(is_spam)s
),
rehung AS (
    UPDATE leads_identity SET contact_id = %(contact_id)s
    WHERE organization_id = %(organization_id)s AND contact_id = %(candidate_id)s
      AND value = ANY(%(values)s)
),
suggested AS (
    INSERT INTO leads_mergesuggestion (id, organization_id, contact_id, other_id, touch_id)
    SELECT %(suggestion_id)s, %(organization_id)s, %(contact_id)s, %(other_contact_id)s, %(touch_id)s
    WHERE %(other_contact_id)s IS NOT NULL
    ON CONFLICT (organization_id, contact_id, other_id) DO NOTHING
),
touch AS (
    INSERT INTO leads_touch (id, organization_id, lead_id, contact_id, source_id, external_id, campaign, utm, consent,
                             received_at)
    SELECT %(touch_id)s, %(organization_id)s, coalesce((SELECT id FROM first), %(lead_id)s), %(contact_id)s,
           %(source_id)s, CASE WHEN %(earlier_lead_id)s IS NULL THEN %(external_id)s END, %(campaign)s, %(utm)s,
           %(consent)s, %(received_at)s
),
consent AS (
    INSERT INTO leads_consentrecord (id, organization_id, contact_id, channel, purpose, status, source, evidence, at)
    SELECT %(consent_record_id)s, %(organization_id)s, %(contact_id)s, 'all', 'contact', %(consent_status)s,
           %(source_key)s, %(evidence)s, %(received_at)s
    WHERE %(consent_status)s <> '' AND NOT %(is_spam)s
)
SELECT id, received_at, greeting_asked_at, is_owed FROM first
"""

_LEAD_COLUMNS = """id, organization_id, contact_id, source_id, campaign, external_id, phone, email, message,
     attributes, utm, consent, status, decision, tags, received_at, greeting_state, greeting_reason, greeting_channel,
     greeting_round, greeting_asked_at"""
_LEAD_VALUES = """%(lead_id)s, %(organization_id)s, %(contact_id)s, %(source_id)s, %(campaign)s,
           coalesce(%(external_id)s, ''), %(phone)s, %(email)s, %(message)s, %(attributes)s, %(utm)s, %(consent)s,
           %(status)s, %(decision)s, %(tags)s, %(received_at)s, %(greeting_state)s, %(greeting_reason)s, '', 1,
           %(received_at)s"""

# A greeting that is still pending after this long, although jobs start in seconds, has lost its job: a person who
# comes back is greeted. Were the job open after all, its key keeps it the only one.
_STALLED_AFTER = "interval '60 seconds'"

# Values travel beside the text of a prepared statement, so each one says its type here, once for all its uses.
_TYPES = {
    "organization_id": "uuid", "source_id": "uuid", "lead_id": "uuid", "contact_id": "uuid", "touch_id": "uuid",
    "consent_record_id": "uuid", "suggestion_id": "uuid", "candidate_id": "uuid", "other_contact_id": "uuid",
    "earlier_lead_id": "uuid", "identity_ids": "uuid[]", "contact_ids": "uuid[]", "kinds": "text[]", "values": "text[]",
    "hashes": "text[]", "tags": "text[]", "attributes": "jsonb", "utm": "jsonb", "decision": "jsonb",
    "evidence": "jsonb", "received_at": "timestamptz", "window_days": "integer", "is_spam": "boolean",
}  # fmt: skip


def _finished(statement: str) -> str:
    filled = statement.format(lead_columns=_LEAD_COLUMNS, lead_values=_LEAD_VALUES, stalled_after=_STALLED_AFTER)
    return re.sub(r"%\((\w+)\)s", lambda found: f"{found[0]}::{_TYPES.get(found[1], 'text')}", filled)


CAPTURE = _finished(CAPTURE)
LOCK_CONTACTS = _finished(LOCK_CONTACTS)
REPEAT = _finished(REPEAT)
