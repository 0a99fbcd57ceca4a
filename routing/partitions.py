"""The days of the job history: a partition is there before its day begins."""

import logging
from datetime import date, timedelta

from django.db import DatabaseError, connection, transaction

from routing import sql

logger = logging.getLogger(__name__)
DAYS_AHEAD = 7


def make_partitions(*, today: date) -> None:
    """Today and the next 7 days have a partition each; rows of a day that came before theirs stay in the default."""
    for ahead in range(DAYS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        statement = sql.MAKE_PARTITION.format(
            suffix=day.strftime("%Y%m%d"), first=day.isoformat(), past=(day + timedelta(days=1)).isoformat()
        )
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
        except DatabaseError as error:
            logger.warning("no partition was made", extra={"day": day.isoformat(), "error": type(error).__name__})
