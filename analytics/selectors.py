"""Every read of the reports; each takes the organization."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from analytics.models import LeadStat
from analytics.reports import CountRow, FirstResponse, first_response


def first_response_report(
    *, organization_id: UUID, first_day: date, last_day: date, source: str | None = None
) -> tuple[list[FirstResponse], FirstResponse]:
    """How fast leads of these days (both included) were answered: by day and source, and in all.

    A lead counts on the day it was captured, in the organization's time zone. About a second behind.
    """
    return first_response(_rows(organization_id, first_day, last_day, source))


def _rows(organization_id: UUID, first_day: date, last_day: date, source: str | None) -> Iterator[CountRow]:
    rows = LeadStat.objects.filter(organization_id=organization_id, day__range=(first_day, last_day))
    if source:
        rows = rows.filter(source=source)
    columns = ("day", "source", "channel", "measure", "detail", "count")
    return (CountRow(*row) for row in rows.values_list(*columns).iterator())
