"""The statements of delivery, written by hand where one statement does what the ORM needs several for.

They read and write columns of `leads_contact` and `leads_lead` beside our own: consent has to be looked at in the very
statement that writes the intent, and the greeting's state belongs into the commit of its outcome (ADR 0030).
Locks are taken in the order attempt, message, lead; statements that lock several rows sort them by id.
"""

from leads.consent_sql import SENDING_REFUSAL

# Why nothing may be sent, in order of weight; NULL: it may. Without a moment of receipt there is no age limit.
_REFUSAL = (
    "coalesce("
    + SENDING_REFUSAL
    + ", CASE WHEN clock_timestamp() > {received_at} + {max_age_s} * interval '1 second' THEN 'too_late' END)"
)

# The intent: message and attempt are stored, with the text, if the person may still be written to. The first wanted
# channel over which the person is not known to be unreachable is taken. No row of `message` means: refused, no channel,
# or the obligation was met before (then a row with this key exists).
INTENT = f"""
WITH facts AS (
    SELECT {_REFUSAL.format(received_at="%(received_at)s::timestamptz", max_age_s="%(max_age_s)s")} AS refusal
    FROM leads_contact contact
    LEFT JOIN leads_lead lead ON lead.organization_id = contact.organization_id AND lead.id = %(lead_id)s
    WHERE contact.organization_id = %(organization_id)s AND contact.id = %(contact_id)s
), pick AS (
    SELECT w.channel_id, w.place,
           %(has_template)s AND NOT EXISTS (
               SELECT FROM channels_out_contactwindow o WHERE o.channel_id = w.channel_id
               AND o.contact_id = %(contact_id)s AND o.last_inbound_at > now() - interval '24 hours'
           ) AND w.kind = 'whatsapp_cloud' AS as_template
    FROM unnest(%(channel_ids)s::uuid[], %(kinds)s::text[]) WITH ORDINALITY AS w(channel_id, kind, place)
    WHERE NOT EXISTS (
        SELECT FROM channels_out_unreachable u
        WHERE u.contact_id = %(contact_id)s AND u.channel_kind = w.kind AND u.until > now()
    )
    ORDER BY w.place LIMIT 1
), message AS (
    INSERT INTO channels_out_message (
        id, organization_id, direction, obligation, obligation_key, conversation_id, contact_id, lead_id, channel_id,
        channel_order, template_name, text, parameters, text_source, text_reason, status, unknown_wait_s, max_age_s,
        received_at, deadline_at, dispatched_at, started_at, model_answered_at
    )
    SELECT %(message_id)s, %(organization_id)s, 'out', %(obligation)s, %(obligation_key)s, %(conversation_id)s,
           %(contact_id)s, %(lead_id)s, pick.channel_id, %(channel_order)s::jsonb, %(template_name)s, %(text)s,
           %(parameters)s::jsonb, %(text_source)s, %(text_reason)s, 'sending', %(unknown_wait_s)s, %(max_age_s)s,
           %(received_at)s, %(deadline_at)s, %(dispatched_at)s, %(started_at)s, %(model_answered_at)s
    FROM facts, pick WHERE facts.refusal IS NULL
    ON CONFLICT (organization_id, obligation_key) WHERE obligation_key IS NOT NULL DO NOTHING
    RETURNING id
), attempt AS (
    INSERT INTO channels_out_attempt
        (id, organization_id, message_id, channel_id, number, state, as_template, text_hash, started_at, deadline_at)
    SELECT %(attempt_id)s, %(organization_id)s, message.id, pick.channel_id, 1, 'sending', pick.as_template,
           %(text_hash)s, clock_timestamp(), clock_timestamp() + %(call_s)s * interval '1 second'
    FROM message, pick
)
SELECT facts.refusal, pick.place, pick.as_template, (SELECT id FROM message)
FROM facts LEFT JOIN pick ON true
"""

# The text alone, before any channel could take it; a known obligation stays as it is.
PLAN = """
INSERT INTO channels_out_message (
    id, organization_id, direction, obligation, obligation_key, conversation_id, contact_id, lead_id,
    channel_order, template_name, text, parameters, text_source, text_reason, status, failure_reason, unknown_wait_s,
    max_age_s, received_at, deadline_at, dispatched_at, started_at, model_answered_at
) VALUES (
    %(message_id)s, %(organization_id)s, 'out', %(obligation)s, %(obligation_key)s, %(conversation_id)s,
    %(contact_id)s, %(lead_id)s, %(channel_order)s::jsonb, %(template_name)s, %(text)s, %(parameters)s::jsonb,
    %(text_source)s, %(text_reason)s, %(status)s, %(failure_reason)s, %(unknown_wait_s)s, %(max_age_s)s,
    %(received_at)s, %(deadline_at)s, %(dispatched_at)s, %(started_at)s, %(model_answered_at)s
)
ON CONFLICT (organization_id, obligation_key) WHERE obligation_key IS NOT NULL DO NOTHING
RETURNING id
"""

# A further attempt of a known message, under the same checks. No row: refused, or somebody else holds the channel.
NEXT_ATTEMPT = f"""
WITH facts AS (
    SELECT {_REFUSAL.format(received_at="m.received_at", max_age_s="%(max_age_s)s")} AS refusal
    FROM channels_out_message m
    JOIN leads_contact contact ON contact.organization_id = m.organization_id AND contact.id = m.contact_id
    LEFT JOIN leads_lead lead ON lead.organization_id = m.organization_id AND lead.id = m.lead_id
    WHERE m.organization_id = %(organization_id)s AND m.id = %(message_id)s
), attempt AS (
    INSERT INTO channels_out_attempt
        (id, organization_id, message_id, channel_id, number, state, as_template, text_hash, started_at, deadline_at)
    SELECT %(attempt_id)s, %(organization_id)s, %(message_id)s, %(channel_id)s, %(number)s, 'sending',
           %(as_template)s, %(text_hash)s, clock_timestamp(), clock_timestamp() + %(call_s)s * interval '1 second'
    FROM facts WHERE facts.refusal IS NULL
    ON CONFLICT DO NOTHING
    RETURNING id
), message AS (
    UPDATE channels_out_message SET status = 'sending', channel_id = %(channel_id)s, failure_code = '',
           failure_reason = ''
    WHERE organization_id = %(organization_id)s AND id = %(message_id)s AND EXISTS (SELECT FROM attempt)
)
SELECT facts.refusal, EXISTS (SELECT FROM attempt) FROM facts
"""

# A certain yes. A receipt may have come first: its rank decides the message's status. Rank 2 is a failure report, so
# the lead does not count as greeted. `is_first`: no earlier attempt of this message was accepted.
ACCEPT = """
WITH attempt AS (
    UPDATE channels_out_attempt
    SET state = 'accepted', provider_id = %(provider_id)s, finished_at = clock_timestamp(), code = CASE
        WHEN receipt_rank = 2 THEN code ELSE '' END
    WHERE organization_id = %(organization_id)s AND id = %(attempt_id)s AND state IN ('sending', 'unknown')
    RETURNING message_id, channel_id, receipt_rank, code
), message AS (
    UPDATE channels_out_message m
    SET status = (ARRAY['accepted', 'sent', 'failed', 'delivered', 'read'])[attempt.receipt_rank + 1],
        channel_id = attempt.channel_id, provider_id = %(provider_id)s, failure_code = '', failure_reason = '',
        accepted_at = coalesce(m.accepted_at, %(accepted_at)s)
    FROM attempt JOIN channels_out_message old ON old.id = attempt.message_id
    WHERE m.id = attempt.message_id
      AND (m.status NOT IN ('accepted', 'sent', 'delivered', 'read') OR m.channel_id = attempt.channel_id)
    RETURNING old.accepted_at IS NULL AS is_first
), lead AS (
    UPDATE leads_lead l
    SET greeting_state = 'greeted', greeting_reason = '', greeting_channel = %(channel_name)s,
        greeted_at = coalesce(l.greeted_at, %(accepted_at)s),
        status = CASE l.status WHEN 'new' THEN 'contacted' ELSE l.status END
    FROM attempt
    WHERE l.organization_id = %(organization_id)s AND l.id = %(greeted_lead_id)s AND attempt.receipt_rank <> 2
      AND EXISTS (SELECT FROM message)
)
SELECT attempt.receipt_rank, coalesce((SELECT is_first FROM message), false), attempt.code FROM attempt
"""

# What a receipt said before the outcome was known is kept, unless the outcome says more.
SETTLE_ATTEMPT = """
UPDATE channels_out_attempt
SET state = %(state)s, code = coalesce(nullif(%(code)s, ''), code), reason = %(reason)s,
    error_class = coalesce(nullif(%(error_class)s, ''), error_class),
    retry_after_s = %(retry_after_s)s, finished_at = clock_timestamp()
WHERE organization_id = %(organization_id)s AND id = %(attempt_id)s AND state = ANY(%(from_states)s)
RETURNING receipt_rank
"""

# A message with all that the next step depends on. Attempts first, then the message: the order of all locks here.
LOCK_ATTEMPTS = """
SELECT a.id, a.channel_id, a.number, a.state, a.as_template, a.receipt_rank, a.error_class, a.retry_after_s,
       extract(epoch FROM clock_timestamp() - a.started_at)::float8,
       extract(epoch FROM a.deadline_at - clock_timestamp())::float8, a.provider_id, a.code, a.reason
FROM channels_out_attempt a
WHERE a.organization_id = %(organization_id)s AND a.message_id = %(message_id)s
ORDER BY a.number FOR UPDATE
"""
LOCK_MESSAGE = """
SELECT m.status, m.obligation, m.obligation_key, m.conversation_id, m.contact_id, m.lead_id, m.channel_order,
       m.template_name, m.text, m.parameters, m.unknown_wait_s, m.max_age_s, m.text_source, m.text_reason,
       extract(epoch FROM clock_timestamp() - m.received_at)::float8, m.received_at, m.dispatched_at, m.started_at,
       m.model_answered_at, coalesce(nullif(l.phone, ''), c.phone), m.ended_at IS NOT NULL,
       ARRAY(SELECT u.channel_kind FROM channels_out_unreachable u
             WHERE u.contact_id = m.contact_id AND u.until > now()),
       ARRAY(SELECT o.channel_id FROM channels_out_contactwindow o
             WHERE o.contact_id = m.contact_id AND o.last_inbound_at > now() - interval '24 hours')
FROM channels_out_message m
JOIN leads_contact c ON c.organization_id = m.organization_id AND c.id = m.contact_id
LEFT JOIN leads_lead l ON l.organization_id = m.organization_id AND l.id = m.lead_id
WHERE m.organization_id = %(organization_id)s AND m.id = %(message_id)s
FOR UPDATE OF m
"""

END_MESSAGE = """
UPDATE channels_out_message SET status = %(status)s, failure_code = %(code)s, failure_reason = %(reason)s,
       ended_at = clock_timestamp()
WHERE organization_id = %(organization_id)s AND id = %(message_id)s
  AND status IN ('planned', 'sending', 'failed', 'unresolved')
"""

# A greeting that the very channel that took it reports as failed is owed again (leads.greeting_state keeps the other
# rules); while the next channel is tried it is pending, so that a repeated submission does not start a second one.
REOPEN_GREETING = """
UPDATE leads_lead SET greeting_state = 'pending', greeting_reason = ''
WHERE organization_id = %(organization_id)s AND id = %(lead_id)s AND greeting_state = 'greeted'
  AND greeting_channel = %(channel)s
"""

REMEMBER_UNREACHABLE = """
INSERT INTO channels_out_unreachable (id, organization_id, contact_id, channel_kind, code, until)
VALUES (%(id)s, %(organization_id)s, %(contact_id)s, %(kind)s, %(code)s, now() + %(days)s * interval '1 day')
ON CONFLICT (contact_id, channel_kind) DO UPDATE SET code = excluded.code, until = excluded.until
"""

# Attempts that a dead process left behind, and unknown ones whose wait is long over: usually the job that made them
# settles them; a job that was called off can't. A message that reached somebody, or ended, is left alone.
IN_DOUBT = """
SELECT a.organization_id, a.message_id, m.lead_id
FROM channels_out_attempt a JOIN channels_out_message m ON m.organization_id = a.organization_id AND m.id = a.message_id
WHERE a.state IN ('sending', 'unknown') AND m.status = 'sending'
  AND a.deadline_at < clock_timestamp() - (20 + CASE a.state WHEN 'unknown' THEN m.unknown_wait_s ELSE 0 END)
      * interval '1 second'
ORDER BY a.deadline_at LIMIT 200
"""
