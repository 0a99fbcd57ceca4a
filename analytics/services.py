"""The read models follow the log: one batch, one transaction, counted exactly once."""

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from accounts.selectors import organization_by_id
from analytics.folds import TYPES, Fact, Happened, Tally, lead_of
from routing.event_log import BEGINNING, LoggedEvent, Position, lock_position, move_position, settled_after
from swiftex.database import execute, fetch_all

NAME = "lead_stats"
BATCH = 1_000

_FACTS_OF = """
SELECT lead_id, organization_id, source, day, received_at, channel, first_response_ms, is_replied
FROM analytics_leadfact WHERE lead_id = ANY(%s)
"""

_STORE_FACTS = """
INSERT INTO analytics_leadfact
    (lead_id, organization_id, source, day, received_at, channel, first_response_ms, is_replied)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::date[], %s::timestamptz[], %s::text[], %s::int[], %s::bool[]
)
ON CONFLICT (lead_id) DO UPDATE SET channel = excluded.channel, first_response_ms = excluded.first_response_ms,
    is_replied = excluded.is_replied
"""

_ADD_COUNTS = """
INSERT INTO analytics_leadstat (organization_id, day, source, channel, measure, detail, count)
SELECT * FROM unnest(%s::uuid[], %s::date[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (organization_id, day, source, channel, measure, detail)
DO UPDATE SET count = analytics_leadstat.count + excluded.count
"""


def fold_batch() -> int:
    """The next settled events are counted; returns how many were read.

    In the caller's transaction, with the position: a crash leaves both as they were, so nothing counts twice. Returns
    0 as well while a rebuild or another process holds the position.
    """
    position = lock_position(NAME)
    return 0 if position is None else _fold_from(position)


@transaction.atomic
def rebuild() -> int:
    """The read models are built anew from the first event; returns how many events were read.

    One transaction: until it commits, readers see the old figures and the live fold stands still.
    """
    lock_position(NAME, wait=True)
    execute("DELETE FROM analytics_leadstat")
    execute("DELETE FROM analytics_leadfact")
    move_position(NAME, BEGINNING)
    read, position = 0, BEGINNING
    while events := settled_after(position, types=TYPES, most=BATCH):
        _fold(events)
        read, position = read + len(events), events[-1].position
    return read


def day_in_organization(organization_id: UUID, moment: datetime) -> date:
    """The calendar day of the moment where the organization is."""
    return moment.astimezone(ZoneInfo(organization_by_id(organization_id).timezone)).date()


def _fold_from(position: Position) -> int:
    events = settled_after(position, types=TYPES, most=BATCH)
    if events:
        _fold(events)
    return len(events)


def _fold(events: list[LoggedEvent]) -> None:
    counted = [event for event in events if event.data]
    if counted:
        tally = Tally(day_of=day_in_organization, facts=_facts_of(counted))
        for event in counted:
            tally.add(Happened(event.organization_id, event.type, event.data, event.occurred_at))
        _store(tally)
    move_position(NAME, events[-1].position)


def _facts_of(events: list[LoggedEvent]) -> dict[UUID, Fact]:
    lead_ids = {lead_id for event in events if (lead_id := lead_of(event.data))}
    if not lead_ids:
        return {}
    return {row[0]: Fact(*row[1:]) for row in fetch_all(_FACTS_OF, [list(lead_ids)])}


def _store(tally: Tally) -> None:
    # Sorted, so that two writers could never wait for each other in a circle.
    facts = [(lead_id, tally.facts[lead_id]) for lead_id in sorted(tally.changed)]
    if facts:
        execute(
            _STORE_FACTS,
            [
                [lead_id for lead_id, _ in facts],
                [fact.organization_id for _, fact in facts],
                [fact.source for _, fact in facts],
                [fact.day for _, fact in facts],
                [fact.received_at for _, fact in facts],
                [fact.channel for _, fact in facts],
                [fact.first_response_ms for _, fact in facts],
                [fact.is_replied for _, fact in facts],
            ],
        )
    if tally.counts:
        keys = sorted(tally.counts)
        execute(
            _ADD_COUNTS, [*(list(column) for column in zip(*keys, strict=True)), [tally.counts[key] for key in keys]]
        )
