"""Reading the log of facts in the order in which it became final, exactly once (design.md D2).

A follower that reads by time or by id skips what commits late. So each row carries the id of the transaction that
wrote it, and only rows below the oldest transaction still running are read: nothing can appear among them any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from swiftex.database import execute, fetch_all, fetch_one

_BEGINNING = UUID(int=0)

_LOCK_POSITION = "SELECT xact_id, event_id FROM routing_followerposition WHERE name = %s FOR UPDATE SKIP LOCKED"
_LOCK_POSITION_WAITING = "SELECT xact_id, event_id FROM routing_followerposition WHERE name = %s FOR UPDATE"
_ADD_POSITION = "INSERT INTO routing_followerposition (name, xact_id) VALUES (%s, 0) ON CONFLICT DO NOTHING"
_MOVE = "UPDATE routing_followerposition SET xact_id = %s, event_id = %s, moved_at = now() WHERE name = %s"

# The data of other types stays in the table: reading past them costs an index walk.
_READ_SETTLED = """
SELECT id, xact_id, organization_id, type, CASE WHEN type = ANY(%(types)s) THEN data END, occurred_at, correlation_id
FROM routing_event
WHERE (xact_id, id) > (%(xact_id)s, %(event_id)s)
  AND xact_id < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
ORDER BY xact_id, id LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The last fact that a follower has taken in, in the order of the log."""

    xact_id: int
    event_id: UUID


BEGINNING = Position(0, _BEGINNING)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A settled fact.  data is empty for types that the reader did not ask for."""

    id: UUID
    xact_id: int
    organization_id: UUID
    type: str
    data: dict[str, Any]
    occurred_at: datetime
    correlation_id: UUID | None

    @property
    def position(self) -> Position:
        """Where the log continues after this fact."""
        return Position(self.xact_id, self.id)


def lock_position(name: str, *, wait: bool = False) -> Position | None:
    """The follower's position, locked until the caller's transaction ends; None while another holds it.

    A follower that is new starts at the beginning.  wait: wait for the other instead.
    """
    execute(_ADD_POSITION, [name])
    row = fetch_one(_LOCK_POSITION_WAITING if wait else _LOCK_POSITION, [name])
    return None if row is None else Position(row[0], row[1] or _BEGINNING)


def settled_after(position: Position, *, types: Sequence[str], most: int) -> list[LoggedEvent]:
    """Up to `most` facts that follow the position and that no running transaction can still add to, in order."""
    rows = fetch_all(
        _READ_SETTLED,
        {"xact_id": position.xact_id, "event_id": position.event_id, "types": list(types), "most": most},
    )
    return [LoggedEvent(row[0], row[1], row[2], row[3], _data(row[4]), row[5], row[6]) for row in rows]


def move_position(name: str, position: Position) -> None:
    """The follower has taken in everything up to here, once the caller's transaction commits."""
    execute(_MOVE, [position.xact_id, position.event_id, name])


def _data(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    return value if isinstance(value, dict) else dict(orjson.loads(value))
