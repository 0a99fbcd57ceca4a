"""Signs of life: every relay, worker and beat writes a row each few seconds, and the database tells who is alive."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from django.db import DatabaseError, connection

from routing import sql
from swiftex.queues import Queue

INTERVAL_S = 5.0
DEAD_AFTER_S = 15.0


def beat(*, name: str, role: str, queues: Iterable[str] = (), slots: int = 0) -> None:
    """The process is known to be alive now; `slots` is how many tasks of its queues it runs at a time."""
    with connection.cursor() as cursor:
        cursor.execute(sql.BEAT, {"name": name, "role": role, "queues": ",".join(queues), "slots": slots})


def forget(name: str) -> None:
    """The process said goodbye: its slots count no longer."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM routing_processbeat WHERE name = %s", [name])


def alive() -> dict[str, int]:
    """Living processes by what they do: `relay`, `beat`, and `worker:<queue>` for each queue that is served."""
    counts: dict[str, int] = defaultdict(int)
    for role, queues, _ in _living():
        for what in [f"worker:{queue}" for queue in queues.split(",")] if role == "worker" else [role]:
            counts[what] += 1
    return dict(counts)


def slots_by_queue() -> dict[Queue, int]:
    """Tasks that the living workers of each queue run at a time."""
    slots: dict[Queue, int] = dict.fromkeys(Queue, 0)
    for _, queues, count in _living():
        for queue in filter(None, queues.split(",")):
            slots[Queue(queue)] += count
    return slots


def keep_beating(*, name: str, role: str, queues: Iterable[str] = (), slots: int = 0) -> threading.Event:
    """A background thread beats every 5 s until the returned event is set, and then says goodbye."""
    stopped = threading.Event()
    thread = threading.Thread(
        target=_beat_until, args=(stopped, name, role, tuple(queues), slots), name="heartbeat", daemon=True
    )
    thread.start()
    return stopped


def _beat_until(stopped: threading.Event, name: str, role: str, queues: tuple[str, ...], slots: int) -> None:
    while True:
        with suppress(DatabaseError):
            beat(name=name, role=role, queues=queues, slots=slots)
        connection.close()
        if stopped.wait(INTERVAL_S):
            break
    with suppress(DatabaseError):
        forget(name)
    connection.close()


def _living() -> list[tuple[str, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT role, queues, slots FROM routing_processbeat"
            " WHERE beat_at > clock_timestamp() - %s * interval '1 second'",
            [DEAD_AFTER_S],
        )
        return list(cursor.fetchall())
