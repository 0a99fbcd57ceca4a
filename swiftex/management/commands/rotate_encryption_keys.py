"""`manage.py rotate_encryption_keys`: every stored secret is encrypted with the first of SWIFTEX_ENCRYPTION_KEYS."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import Model

from swiftex.encryption import EncryptedJSONField, WrongEncryptionKey, rotate


class Command(BaseCommand):
    """Safe to run beside traffic and to run again: a row that changed meanwhile is left to the next run.

    Put the new key first in SWIFTEX_ENCRYPTION_KEYS, restart, run this, and then take the old key out.
    """

    help = "Encrypts every stored secret anew with the first of SWIFTEX_ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotates every encrypted column of every table."""
        for model, column in encrypted_columns():
            try:
                count = _rotate_column(model._meta.db_table, str(model._meta.pk.column), column)
            except WrongEncryptionKey as error:
                raise CommandError(f"{model._meta.db_table}.{column}: {error}") from None
            self.stdout.write(f"{model._meta.db_table}.{column}: {count}")


def encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    """Every column that holds secrets."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedJSONField):
                yield model, str(field.column)


def _rotate_column(table: str, key: str, column: str) -> int:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {quote(key)}, {quote(column)} FROM {quote(table)} WHERE {quote(column)} IS NOT NULL")  # noqa: S608
        rows = cursor.fetchall()
        # The old token in the condition: a secret that somebody stored in between is never overwritten.
        update = f"UPDATE {quote(table)} SET {quote(column)} = %s WHERE {quote(key)} = %s AND {quote(column)} = %s"  # noqa: S608
        rotated = 0
        for pk, token in rows:
            cursor.execute(update, [rotate(token), pk, token])
            rotated += cursor.rowcount
    return rotated
