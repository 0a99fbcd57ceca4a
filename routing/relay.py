"""The relay: a process of its own that moves due jobs from their rows to the workers' queues.

Several may run; each queue is picked from by one at a time.  It never waits for the broker inside a transaction.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection

from routing import dispatch, followers, heartbeats, partitions, sweeper
from swiftex import clock
from swiftex.coordination import kick
from swiftex.observability import metrics
from swiftex.queues import PROMISES, Queue

logger = logging.getLogger(__name__)
# Rounds are at least this far apart: under load one round takes several leads (docs/adr/0005-relay-wake-up.md).
PACE_S = 0.015
SWEEP_INTERVAL_S = 1.0
AHEAD_INTERVAL_S = 0.5
SLOTS_INTERVAL_S = 1.0
PARTITIONS_INTERVAL_S = 3600.0
_PAUSE_AFTER_ERROR_S = 0.5


class Chore:
    """Something that the relay does every so often; one that fails is due again at the next round."""

    def __init__(self, interval_s: float, work: Callable[[], object]) -> None:
        self._interval_s = interval_s
        self._work = work
        self._due_at = 0.0

    def do_if_due(self) -> None:
        """It is done, if its time has come."""
        if time.monotonic() >= self._due_at:
            self._work()
            self._due_at = time.monotonic() + self._interval_s


class Relay:
    """One relay process; `run` returns after `stop`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._slots: dict[Queue, int] = {}
        self._next_turn_at = dict.fromkeys(Queue, 0.0)
        self._counting = Chore(SLOTS_INTERVAL_S, self._count_slots)
        self._chores = [
            Chore(AHEAD_INTERVAL_S, dispatch.dispatch_ahead),
            Chore(SWEEP_INTERVAL_S, sweeper.sweep),
            Chore(SWEEP_INTERVAL_S, sweeper.report_queues),
            Chore(PARTITIONS_INTERVAL_S, lambda: partitions.make_partitions(today=clock.now().date())),
        ]

    def stop(self) -> None:
        """The loop ends after its current round."""
        self._stopped.set()

    def run(self) -> None:
        """Dispatches until stopped; a database or broker that is away is waited for, never given up on."""
        name = f"relay@{socket.gethostname()}:{os.getpid()}"
        beating = heartbeats.keep_beating(name=name, role="relay")
        folding = threading.Thread(target=followers.run_followers, args=(self._stopped,), name="followers")
        folding.start()
        metrics.relay_running(True)
        while not self._stopped.is_set():
            self._round()
        beating.set()
        folding.join()
        metrics.relay_running(False)

    def _round(self) -> None:
        try:
            self._counting.do_if_due()
            sent = dispatch.dispatch_due(self._queues_in_turn(), slots=self._slots)
            for chore in self._chores:
                chore.do_if_due()
        except DatabaseError as error:
            logger.warning("the database did not answer the relay", extra={"error": type(error).__name__})
            connection.close()
            self._stopped.wait(_PAUSE_AFTER_ERROR_S)
            return
        self._stopped.wait(PACE_S)
        if not sent:
            kick.wait_for_kick(settings.SWIFTEX_RELAY_POLL_S)

    def _queues_in_turn(self) -> list[Queue]:
        now_s = time.monotonic()
        in_turn = [queue for queue in Queue if now_s >= self._next_turn_at[queue]]
        self._next_turn_at |= {queue: now_s + PROMISES[queue].dispatch_interval_s for queue in in_turn}
        return in_turn

    def _count_slots(self) -> None:
        self._slots = heartbeats.slots_by_queue()
