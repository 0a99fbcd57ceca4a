"""The one place where the product asks what time it is; services get the answer as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC.  What is due is decided by the database's clock instead (design.md D14)."""
    return datetime.now(UTC)
