"""`manage.py relay`: moves due jobs to the workers until SIGTERM or SIGINT."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from routing.relay import Relay


class Command(BaseCommand):
    help = "Moves due jobs to the workers' queues. Run two or more; they share the work."

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        relay.run()
