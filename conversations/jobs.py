"""Doors: what the queues call, and nothing more."""

from uuid import UUID

from conversations.services import greeting, inbound
from routing.jobs import job
from swiftex import clock
from swiftex.queues import Queue


@job(kind="greet_lead", queue=Queue.GREETING, attempts=5, lease_s=10)
def greet_lead(*, organization_id: str, lead_id: str, **_: object) -> None:
    """The lead gets its first message."""
    greeting.greet_lead(organization_id=UUID(organization_id), lead_id=UUID(lead_id), now=clock.now())


@job(kind="thread_message", queue=Queue.REPLY, attempts=5, lease_s=10)
def thread_message(*, organization_id: str, message_id: str, **_: object) -> None:
    """An inbound message belongs to its contact's conversation."""
    inbound.thread_message(organization_id=UUID(organization_id), message_id=UUID(message_id))
