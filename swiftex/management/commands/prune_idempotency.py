"""`manage.py prune_idempotency`: answers to Idempotency-Keys that are older than 24 h are gone."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts import idempotency

_BATCH_SIZE = 5_000


class Command(BaseCommand):
    """Deletes in short transactions, so it may run beside full traffic; the relays do the same every minute."""

    help = "Deletes stored answers to Idempotency-Keys that are older than 24 hours."

    def handle(self, *args: Any, **options: Any) -> None:
        """Deletes until nothing old is left."""
        total = 0
        while deleted := idempotency.prune(batch_size=_BATCH_SIZE):
            total += deleted
        self.stdout.write(f"deleted {total}")
