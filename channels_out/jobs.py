"""Doors of delivery: jobs in, one service call each."""

from uuid import UUID

from channels_out.services import advancing, notices, syncing
from routing.jobs import job
from swiftex.queues import Queue


@job(kind="deliver_next", queue=Queue.GREETING, attempts=8, lease_s=15)
def deliver_next(*, organization_id: str, message_id: str, **_: object) -> None:
    """The message has taken its next channel, if one is left and the person may still be written to."""
    advancing.advance(organization_id=UUID(organization_id), message_id=UUID(message_id))


@job(kind="settle_message", queue=Queue.GREETING, attempts=8, lease_s=15)
def settle_message(*, organization_id: str, message_id: str, **_: object) -> None:
    """A message whose outcome was unknown is known, has gone to the next channel, or waits for a person."""
    advancing.advance(organization_id=UUID(organization_id), message_id=UUID(message_id))


@job(kind="sync_lead", queue=Queue.SYNC, attempts=12, lease_s=30)
def sync_lead(*, organization_id: str, lead_id: str, **_: object) -> None:
    """The CRM has the lead, or nobody configured one."""
    syncing.sync_lead(organization_id=UUID(organization_id), lead_id=UUID(lead_id))


@job(kind="notify", queue=Queue.SYNC, attempts=8, lease_s=30)
def notify(*, organization_id: str, **_: object) -> None:
    """Whoever is to hear of new, answered and stuck leads has heard of all until now, in one notice."""
    notices.send_notice(organization_id=UUID(organization_id))
