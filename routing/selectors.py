"""Reads of events and jobs that other apps need."""

from uuid import UUID

from django.db.models import QuerySet

from routing.job_states import JobState
from routing.models import Event, Job


def events_of(*, organization_id: UUID, correlation_id: UUID) -> QuerySet[Event]:
    """The events of one correlation (a lead), oldest first."""
    return Event.objects.filter(organization_id=organization_id, correlation_id=correlation_id).order_by(
        "recorded_at", "id"
    )


def open_jobs_of(*, organization_id: UUID, correlation_id: UUID) -> QuerySet[Job]:
    """The jobs of one correlation that are still owed or dead, oldest first."""
    return Job.objects.filter(organization_id=organization_id, correlation_id=correlation_id).order_by("created_at")


def has_open_job(*, organization_id: UUID, key: str) -> bool:
    """True while the obligation of that key is owed."""
    return (
        Job.objects.filter(organization_id=organization_id, key=key)
        .exclude(state__in=[JobState.DEAD, JobState.DONE, JobState.CANCELLED])
        .exists()
    )
