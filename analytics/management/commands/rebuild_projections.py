"""`manage.py rebuild_projections`: reports are built anew from the events."""

from django.core.management.base import BaseCommand

from analytics import services


class Command(BaseCommand):
    """Safe at any time: readers see the old figures until the new ones are complete."""

    help = "Builds the read models of analytics anew from the event log."

    def handle(self, *args: object, **options: object) -> None:
        """Rebuilds and says how many events were read."""
        read = services.rebuild()
        self.stdout.write(f"Read {read} events; the reports are rebuilt.")
