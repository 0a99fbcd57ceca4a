"""The days of the job history: a partition is there before its day begins."""

import logging
from datetime import date, timedelta

from django.db import DatabaseError, connection, transaction

from routing import sql

logger = logging.getLogger(__name__)
DAYS_AHEAD = 7
_LOCK = 0x51F9


def make_partitions(*, today: date) -> None:
    """Today and the next 7 days have a partition each; rows of a day that came before theirs stay in the default."""
    for ahead in range(DAYS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        try:
            _make_partition(day)
        except DatabaseError as error:
            logger.warning("no partition was made", extra={"day": day.isoformat(), "error": type(error).__name__})


@transaction.atomic
def _make_partition(day: date) -> None:
    statement = sql.MAKE_PARTITION.format(
        suffix=day.strftime("%Y%m%d"), first=day.isoformat(), past=(day + timedelta(days=1)).isoformat()
    )
    with connection.cursor() as cursor:
        # Relays that start together would both find the table missing.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(statement)
