"""The statements that fold a batch of receipts; each handles the whole batch. EXPLAIN: docs/adr/0034."""

TO_FOLD = """
SELECT id, organization_id, channel_id, provider, query, body, received_at
FROM channels_out_callback WHERE folded_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
FOLDED = """
UPDATE channels_out_callback c
SET folded_at = clock_timestamp(), quarantine = CASE WHEN g.quarantine = '' THEN c.quarantine ELSE g.quarantine END
FROM unnest(%(ids)s::uuid[], %(quarantines)s::text[]) AS g(id, quarantine) WHERE c.id = g.id
"""

# Matched by the attempt's id that we sent along, else by the provider's id; an attempt of another channel never counts.
STORE = """
INSERT INTO channels_out_receipt
    (id, organization_id, channel_id, provider_id, status, code, reported_at, received_at, attempt_id)
SELECT g.id, g.organization_id, g.channel_id, g.provider_id, g.status, g.code, g.reported_at, g.received_at,
       coalesce(by_ref.id, by_provider.id)
FROM unnest(%(ids)s::uuid[], %(organization_ids)s::uuid[], %(channel_ids)s::uuid[], %(provider_ids)s::text[],
            %(statuses)s::text[], %(codes)s::text[], %(reported)s::timestamptz[], %(received)s::timestamptz[],
            %(attempt_ids)s::uuid[])
     AS g(id, organization_id, channel_id, provider_id, status, code, reported_at, received_at, attempt_id)
LEFT JOIN channels_out_attempt by_ref
    ON by_ref.id = g.attempt_id AND by_ref.channel_id = g.channel_id
    AND (by_ref.provider_id IS NULL OR by_ref.provider_id = g.provider_id)
LEFT JOIN LATERAL (
    SELECT a.id FROM channels_out_attempt a
    WHERE by_ref.id IS NULL AND a.channel_id = g.channel_id AND a.provider_id = g.provider_id LIMIT 1
) by_provider ON true
ON CONFLICT (channel_id, provider_id, status) DO NOTHING
RETURNING id, attempt_id, channel_id, provider_id, status, code, reported_at, received_at
"""

# Receipts that came before our own commit; ids that are nobody's are left alone after two minutes, and stay stored.
REMATCH = """
UPDATE channels_out_receipt r SET attempt_id = a.id
FROM channels_out_attempt a
WHERE r.attempt_id IS NULL AND r.received_at > now() - interval '2 minutes'
  AND a.channel_id = r.channel_id AND a.provider_id = r.provider_id
RETURNING r.id, r.attempt_id, r.channel_id, r.provider_id, r.status, r.code, r.reported_at, r.received_at
"""

# Attempts first, in the order of their ids, then their messages: the order of all locks here.
APPLY = """
WITH best AS (
    SELECT * FROM unnest(%(attempt_ids)s::uuid[], %(ranks)s::int[], %(codes)s::text[], %(reasons)s::text[],
                         %(errors)s::text[], %(provider_ids)s::text[])
        AS b(attempt_id, rank, code, reason, error_class, provider_id)
), old AS (
    SELECT a.id, a.receipt_rank FROM channels_out_attempt a JOIN best ON best.attempt_id = a.id
    ORDER BY a.id FOR UPDATE OF a
)
UPDATE channels_out_attempt a
SET receipt_rank = greatest(best.rank, old.receipt_rank), provider_id = coalesce(a.provider_id, best.provider_id),
    code = CASE WHEN best.rank > old.receipt_rank THEN best.code ELSE a.code END,
    reason = CASE WHEN best.rank > old.receipt_rank THEN best.reason ELSE a.reason END,
    error_class = CASE WHEN best.rank > old.receipt_rank THEN best.error_class ELSE a.error_class END
FROM best JOIN old ON old.id = best.attempt_id
WHERE a.id = best.attempt_id
RETURNING a.id, a.organization_id, a.message_id, a.channel_id, a.state, old.receipt_rank, a.receipt_rank, a.code
"""

# A message follows its attempt's report if that is a step forward; `failed` counts only for the channel it stands on.
MOVE = """
WITH news AS (
    SELECT * FROM unnest(%(message_ids)s::uuid[], %(channel_ids)s::uuid[], %(ranks)s::int[], %(moves)s::bool[],
                         %(sent)s::timestamptz[], %(delivered)s::timestamptz[], %(read)s::timestamptz[],
                         %(codes)s::text[], %(reasons)s::text[])
        AS n(message_id, channel_id, rank, moves, sent_at, delivered_at, read_at, code, reason)
), locked AS (
    SELECT m.id FROM channels_out_message m JOIN news ON news.message_id = m.id ORDER BY m.id FOR UPDATE OF m
)
UPDATE channels_out_message m
SET sent_at = coalesce(m.sent_at, news.sent_at), delivered_at = coalesce(m.delivered_at, news.delivered_at),
    read_at = coalesce(m.read_at, news.read_at),
    status = CASE
        WHEN NOT news.moves THEN m.status
        WHEN news.rank = 2 THEN CASE WHEN m.status IN ('accepted', 'sent') AND m.channel_id = news.channel_id
                                     THEN 'failed' ELSE m.status END
        WHEN m.status IN ('failed', 'unresolved', 'suppressed') THEN
            CASE WHEN news.rank > 2 THEN (ARRAY['sent', 'failed', 'delivered', 'read'])[news.rank] ELSE m.status END
        WHEN m.status IN ('accepted', 'sent', 'delivered', 'read')
             AND array_position(ARRAY['accepted', 'sent', 'failed', 'delivered', 'read'], m.status::text) <= news.rank
            THEN (ARRAY['sent', 'failed', 'delivered', 'read'])[news.rank]
        ELSE m.status END,
    failure_code = CASE WHEN news.rank = 2 AND news.moves THEN news.code ELSE m.failure_code END,
    failure_reason = CASE WHEN news.rank = 2 AND news.moves THEN news.reason ELSE m.failure_reason END
FROM news JOIN locked ON locked.id = news.message_id
WHERE m.id = news.message_id
RETURNING m.id, m.organization_id, m.obligation, m.obligation_key, m.lead_id, m.contact_id, m.conversation_id,
          m.text_source, m.text_reason, m.unknown_wait_s, m.received_at, m.dispatched_at, m.started_at,
          m.model_answered_at, m.status
"""
