"""The statements of the wire, written by hand because each runs several times for every lead.

States are spelled as in routing/job_states.py.  Every time here is the database's (design.md D14).
"""

RECORD_EVENT = """
INSERT INTO routing_event
    (id, organization_id, type, version, subject, data, occurred_at, correlation_id, causation_id)
VALUES {rows}
"""

# A key that is already open means that the obligation exists: nothing happens.
ENQUEUE = """
INSERT INTO routing_job
    (id, organization_id, kind, queue, key, payload, state, available_at, generation, attempts, max_attempts,
     dispatch_count, failures, correlation_id, event_id)
VALUES {rows}
ON CONFLICT (organization_id, key) WHERE state IN ('waiting', 'dispatched', 'running') DO NOTHING
"""

# Facts and what follows from them in one round trip.
WITH_FACTS = """
WITH facts AS ({facts})
{jobs}
"""

EVENT_ROW = "(%s, %s, %s, %s, %s, %s, coalesce(%s, now()), %s, %s)"
JOB_ROW = (
    "(%s, %s, %s, %s, %s, %s, 'waiting', coalesce(%s, now()) + %s * interval '1 second', 1, 0, %s, 0, '[]', %s, %s)"
)

# Every queue that no other relay is picking from, with its credits; the lock lasts as long as the statement.
_QUEUES = """
RECURSIVE queues AS MATERIALIZED (
    SELECT queue, capacity, one_organization
    FROM unnest(%(queues)s::text[], %(ranks)s::int[], %(capacities)s::int[], %(alone)s::int[])
         AS given(queue, rank, capacity, one_organization)
    WHERE pg_try_advisory_xact_lock(%(lock_space)s::int, rank)
)
"""

# The organizations that have waiting rows in a queue, one index probe each, however many rows there are.
_ORGANIZATIONS_WAITING = """
waiting AS (
    SELECT queue, (SELECT organization_id FROM routing_job WHERE queue = queues.queue AND state = 'waiting'
                   ORDER BY organization_id LIMIT 1) AS organization_id
    FROM queues
    UNION ALL
    SELECT queue, (SELECT job.organization_id FROM routing_job job
                   WHERE job.queue = known.queue AND job.state = 'waiting'
                         AND job.organization_id > known.organization_id
                   ORDER BY job.organization_id LIMIT 1)
    FROM waiting known WHERE known.organization_id IS NOT NULL
)
"""

# Fair order: an organization's n-th job in flight stands behind every other organization's (n-1)-th, so slots are
# shared evenly while several wait and one may use them all, but for a tenth, while it is alone.
DISPATCH_DUE = f"""
WITH {_QUEUES},
{_ORGANIZATIONS_WAITING},
in_flight AS MATERIALIZED (
    SELECT queue, organization_id, count(*) AS jobs FROM routing_job
    WHERE queue IN (SELECT queue FROM queues) AND state IN ('dispatched', 'running') AND available_at <= now()
    GROUP BY queue, organization_id
),
room AS MATERIALIZED (
    SELECT queue, one_organization, greatest(0, capacity - coalesce(
        (SELECT sum(jobs) FROM in_flight WHERE in_flight.queue = queues.queue), 0))::int AS jobs
    FROM queues
),
candidates AS (
    SELECT due.id, due.available_at, waiting.queue, coalesce(in_flight.jobs, 0) + row_number() OVER (
               PARTITION BY waiting.queue, waiting.organization_id ORDER BY due.available_at, due.id) AS place,
           coalesce(slot_limit.max_slots, room.one_organization) AS most
    FROM waiting
    JOIN room ON room.queue = waiting.queue AND room.jobs > 0
    LEFT JOIN in_flight
        ON in_flight.queue = waiting.queue AND in_flight.organization_id = waiting.organization_id
    LEFT JOIN routing_slotlimit slot_limit
        ON slot_limit.organization_id = waiting.organization_id AND slot_limit.queue = waiting.queue
        AND slot_limit.until > now()
    CROSS JOIN LATERAL (
        SELECT id, available_at FROM routing_job
        WHERE queue = waiting.queue AND state = 'waiting' AND organization_id = waiting.organization_id
              AND available_at <= now()
        ORDER BY available_at LIMIT room.jobs
    ) due
    WHERE waiting.organization_id IS NOT NULL
),
ranked AS (
    SELECT id, queue, row_number() OVER (PARTITION BY queue ORDER BY place, available_at) AS turn
    FROM candidates WHERE place <= most
),
picked AS MATERIALIZED (
    SELECT ranked.id FROM ranked JOIN room USING (queue) WHERE ranked.turn <= room.jobs
)
UPDATE routing_job SET state = 'dispatched', dispatched_at = clock_timestamp(), dispatch_count = dispatch_count + 1
WHERE id IN (SELECT id FROM picked) AND state = 'waiting'
RETURNING id, organization_id, kind, generation, 0.0::float, queue
"""

# Jobs due within the horizon travel ahead with their remaining time, and wait in a worker as Celery ETA tasks.
DISPATCH_AHEAD = f"""
WITH {_QUEUES},
{_ORGANIZATIONS_WAITING},
armed AS MATERIALIZED (
    SELECT queue, count(*) AS jobs FROM routing_job
    WHERE queue IN (SELECT queue FROM queues) AND state = 'dispatched' AND available_at > now() GROUP BY queue
),
soon AS (
    SELECT due.id, waiting.queue, row_number() OVER (PARTITION BY waiting.queue ORDER BY due.available_at) AS turn
    FROM waiting
    JOIN queues USING (queue)
    CROSS JOIN LATERAL (
        SELECT id, available_at FROM routing_job
        WHERE queue = waiting.queue AND state = 'waiting' AND organization_id = waiting.organization_id
              AND available_at > now() AND available_at <= now() + %(horizon_s)s::float * interval '1 second'
        ORDER BY available_at LIMIT queues.capacity
    ) due
    WHERE waiting.organization_id IS NOT NULL
),
picked AS MATERIALIZED (
    SELECT soon.id FROM soon JOIN queues USING (queue) LEFT JOIN armed USING (queue)
    WHERE soon.turn <= queues.capacity - coalesce(armed.jobs, 0)
)
UPDATE routing_job SET state = 'dispatched', dispatched_at = clock_timestamp(), dispatch_count = dispatch_count + 1
WHERE id IN (SELECT id FROM picked) AND state = 'waiting'
RETURNING id, organization_id, kind, generation, extract(epoch FROM available_at - clock_timestamp())::float, queue
"""

# A worker takes a job: whoever changes the row first has it, everybody else stops quietly.
CLAIM = """
UPDATE routing_job SET state = 'running', attempts = attempts + 1, started_at = clock_timestamp(),
       lease_until = clock_timestamp() + %(lease_s)s::float * interval '1 second'
WHERE id = %(id)s AND organization_id = %(organization_id)s AND generation = %(generation)s AND state = 'dispatched'
      AND available_at <= clock_timestamp() + interval '5 milliseconds'
RETURNING key, payload, attempts, max_attempts, available_at, dispatched_at, started_at, correlation_id, created_at
"""

# Why a claim took nothing: the remaining seconds when the worker came early, no row otherwise.
REMAINING = """
SELECT extract(epoch FROM available_at - clock_timestamp())::float FROM routing_job
WHERE id = %(id)s AND organization_id = %(organization_id)s AND generation = %(generation)s AND state = 'dispatched'
"""

_TO_HISTORY = """
INSERT INTO routing_jobhistory (id, organization_id, kind, queue, key, state, attempts, dispatch_count, failures,
    correlation_id, created_at, available_at, dispatched_at, started_at, finished_at)
SELECT id, organization_id, kind, queue, key, %(end_state)s::text, attempts, dispatch_count, failures,
    correlation_id, created_at, available_at, dispatched_at, started_at, clock_timestamp()
FROM gone
"""

# The attempt number is the fence: a worker that lost its lease holds an old one and changes nothing.
FINISH = f"""
WITH gone AS (
    DELETE FROM routing_job
    WHERE id = %(id)s AND organization_id = %(organization_id)s AND state = 'running' AND attempts = %(attempts)s
    RETURNING *
)
{_TO_HISTORY}
RETURNING 1
"""

PUT_BACK = """
UPDATE routing_job SET state = %(state)s, generation = generation + 1, lease_until = NULL,
       available_at = clock_timestamp() + %(delay_s)s * interval '1 second',
       attempts = attempts - %(uncounted)s, dispatch_count = 0,
       failures = CASE WHEN %(failure)s::jsonb IS NULL THEN failures ELSE failures || %(failure)s::jsonb END
WHERE id = %(id)s AND organization_id = %(organization_id)s AND state = 'running' AND attempts = %(attempts)s
"""

CANCEL = f"""
WITH gone AS (
    DELETE FROM routing_job
    WHERE organization_id = %(organization_id)s AND state IN ('waiting', 'dispatched')
      AND (%(correlation_ids)s::uuid[] IS NULL OR correlation_id = ANY(%(correlation_ids)s::uuid[]))
      AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s::text[]))
      AND (%(keys)s::text[] IS NULL OR key = ANY(%(keys)s::text[]))
    RETURNING *
)
{_TO_HISTORY}
"""

# Re-arming is one UPDATE: the new generation outdates the task that is already on its way.
REARM = """
UPDATE routing_job SET state = 'waiting', generation = generation + 1, dispatch_count = 0,
       available_at = clock_timestamp() + %(delay_s)s * interval '1 second'
WHERE organization_id = %(organization_id)s AND key = %(key)s AND state IN ('waiting', 'dispatched')
"""

# A worker died with the job in its hands: the lease ran out, the attempt counts.
SWEEP_EXPIRED_LEASES = """
UPDATE routing_job
SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'waiting' END,
    generation = generation + 1, lease_until = NULL, dispatch_count = 0,
    failures = failures || jsonb_build_array(
        jsonb_build_object('attempt', attempts, 'at', now(), 'error', 'the worker died or lost its lease'))
WHERE id IN (SELECT id FROM routing_job WHERE state = 'running' AND lease_until < now()
             FOR UPDATE SKIP LOCKED LIMIT 500)
RETURNING kind, state
"""

# Whether any dispatched job has waited longer than it should: only then is the broker asked.
COUNT_DISPATCHED = """
SELECT count(*), coalesce(bool_or(
    greatest(dispatched_at, available_at) < now() - %(first_s)s * interval '1 second'), false)
FROM routing_job WHERE queue = %(queue)s AND state = 'dispatched' AND available_at <= now()
"""

# A message that no worker claimed was lost with the broker: the row waits again. The back-off doubles by dispatch.
SWEEP_LOST_MESSAGES = """
UPDATE routing_job
SET state = CASE WHEN dispatch_count >= %(most_dispatches)s THEN 'dead' ELSE 'waiting' END,
    failures = CASE WHEN dispatch_count >= %(most_dispatches)s THEN failures || jsonb_build_array(
        jsonb_build_object('attempt', attempts, 'at', now(), 'error', 'sent to workers again and again, never claimed'))
        ELSE failures END
WHERE id IN (
    SELECT id FROM routing_job
    WHERE queue = %(queue)s AND state = 'dispatched'
      AND greatest(dispatched_at, available_at) < now() - interval '1 second'
          * least(greatest(%(cap_s)s, %(first_s)s), %(first_s)s * power(2, least(dispatch_count - 1, 10)))
    ORDER BY dispatched_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
RETURNING kind, state
"""

RETRY_DEAD = """
UPDATE routing_job SET state = 'waiting', generation = generation + 1, available_at = clock_timestamp(),
       dispatch_count = 0, max_attempts = attempts + %(more_attempts)s
WHERE id IN (
    SELECT DISTINCT ON (dead.key) dead.id FROM routing_job dead
    WHERE dead.organization_id = %(organization_id)s AND dead.id = ANY(%(ids)s::uuid[]) AND dead.state = 'dead'
      AND NOT EXISTS (SELECT 1 FROM routing_job open WHERE open.organization_id = dead.organization_id
                      AND open.key = dead.key AND open.state IN ('waiting', 'dispatched', 'running'))
    ORDER BY dead.key, dead.created_at DESC)
"""

DISCARD_DEAD = f"""
WITH gone AS (
    DELETE FROM routing_job
    WHERE organization_id = %(organization_id)s AND id = ANY(%(ids)s::uuid[]) AND state = 'dead'
    RETURNING *
)
{_TO_HISTORY}
"""

BEAT = """
INSERT INTO routing_processbeat (name, role, queues, slots, beat_at)
VALUES (%(name)s, %(role)s, %(queues)s, %(slots)s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET role = excluded.role, queues = excluded.queues, slots = excluded.slots,
    beat_at = excluded.beat_at
"""

QUEUE_FIGURES = """
SELECT queue, count(*) FILTER (WHERE state IN ('waiting', 'dispatched') AND available_at <= now()) AS depth,
       coalesce(extract(epoch FROM now() - min(available_at)
           FILTER (WHERE state IN ('waiting', 'dispatched') AND available_at <= now())), 0)::float AS age_s,
       count(*) FILTER (WHERE state = 'dead') AS dead
FROM routing_job WHERE available_at <= now() OR state = 'dead' GROUP BY queue
"""

MAKE_PARTITION = """
CREATE TABLE IF NOT EXISTS routing_jobhistory_{suffix} PARTITION OF routing_jobhistory
FOR VALUES FROM ('{first}') TO ('{past}')
"""
