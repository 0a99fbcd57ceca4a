"""Reads a lead's events and folds them."""

from uuid import UUID

from leads.timeline import Timeline, fold
from routing.selectors import events_of


def timeline_of(*, organization_id: UUID, lead_id: UUID) -> Timeline:
    """The lead's timeline as of now."""
    return fold(events_of(organization_id=organization_id, correlation_id=lead_id))
