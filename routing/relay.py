"""The relay: a process of its own that moves due jobs from their rows to the workers' queues.

Several may run; each queue is picked from by one at a time.  It never waits for the broker inside a transaction.
"""

import logging
import os
import socket
import threading
import time

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


class Relay:
    """One relay process; `run` returns after `stop`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._slots: dict[Queue, int] = {}
        self._next_turn_at = dict.fromkeys(Queue, 0.0)
        self._next_slots_at = 0.0
        self._next_ahead_at = 0.0
        self._next_sweep_at = 0.0
        self._next_partitions_at = 0.0

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
            self._refresh_slots()
            sent = dispatch.dispatch_due(self._queues_in_turn(), slots=self._slots)
            self._look_ahead()
            self._sweep()
            self._make_partitions()
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

    def _refresh_slots(self) -> None:
        if time.monotonic() >= self._next_slots_at:
            self._slots = heartbeats.slots_by_queue()
            self._next_slots_at = time.monotonic() + SLOTS_INTERVAL_S

    def _look_ahead(self) -> None:
        if time.monotonic() >= self._next_ahead_at:
            dispatch.dispatch_ahead()
            self._next_ahead_at = time.monotonic() + AHEAD_INTERVAL_S

    def _sweep(self) -> None:
        if time.monotonic() >= self._next_sweep_at:
            sweeper.sweep()
            sweeper.report_queues()
            self._next_sweep_at = time.monotonic() + SWEEP_INTERVAL_S

    def _make_partitions(self) -> None:
        if time.monotonic() >= self._next_partitions_at:
            partitions.make_partitions(today=clock.now().date())
            self._next_partitions_at = time.monotonic() + PARTITIONS_INTERVAL_S
