"""What our workers do otherwise than Celery's: they send task events in batches (docs/adr/0008-lean-celery.md)."""

from typing import Any

from celery import bootsteps

EVENTS_INTERVAL_S = 1.0
_MOST_BUFFERED = 1000


class BatchedEvents(bootsteps.StartStopStep):
    """Task events leave once a second in one message, instead of one message for each turn of the loop."""

    requires = ("celery.worker.consumer.events:Events",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """The dispatcher keeps what it gets, and a timer of the loop sends it."""
        if consumer.hub is None:
            return
        dispatcher = consumer.event_dispatcher
        dispatcher.on_send_buffered = None
        dispatcher.buffer_limit = _MOST_BUFFERED
        self._timer = consumer.hub.call_repeatedly(EVENTS_INTERVAL_S, dispatcher.flush)

    def stop(self, consumer: Any) -> None:
        """The timer ends with its loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
