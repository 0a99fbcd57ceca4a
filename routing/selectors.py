"""Reads of events and jobs that other apps need."""

from uuid import UUID

from django.db.models import QuerySet

from routing.models import Event


def events_of(*, organization_id: UUID, correlation_id: UUID) -> QuerySet[Event]:
    """The events of one correlation (a lead), oldest first."""
    return Event.objects.filter(organization_id=organization_id, correlation_id=correlation_id).order_by(
        "recorded_at", "id"
    )
