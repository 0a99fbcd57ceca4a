"""How full the system is, and who must slow down."""

from uuid import UUID

from django.db import connection

from swiftex.queues import Queue

PROBING_SLOTS = 3


def limit_organization(*, organization_id: UUID, queue: Queue, for_s: float, max_slots: int = PROBING_SLOTS) -> None:
    """For the next `for_s` seconds the organization uses at most `max_slots` slots of the queue.

    Called when a sender of its hangs, so that waiting calls don't fill every slot; calling again prolongs it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO routing_slotlimit (organization_id, queue, max_slots, until)"
            " VALUES (%s, %s, %s, clock_timestamp() + %s * interval '1 second')"
            " ON CONFLICT (organization_id, queue)"
            " DO UPDATE SET max_slots = excluded.max_slots, until = excluded.until",
            [organization_id, queue.value, max_slots, for_s],
        )
