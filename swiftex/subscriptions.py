"""Which fact starts which obligations: the whole of it, on one page.

A receiver answers a recorded event with the jobs it wants; they are written in the same transaction, so they commit or
vanish with the fact.  A new consumer is one more receiver here; no producer changes.
"""

from collections.abc import Callable
from typing import Any

from routing.events import RecordedEvent, event_recorded
from routing.jobs import NewJob

Wanted = list[NewJob]
NOTICE_WINDOW_S = 2.0


def subscribe(event_type: str) -> Callable[[Callable[[RecordedEvent], Wanted]], Callable[[RecordedEvent], Wanted]]:
    """The function is asked for jobs whenever an event of that type is recorded."""

    def connect(answer: Callable[[RecordedEvent], Wanted]) -> Callable[[RecordedEvent], Wanted]:
        def receive(sender: str, event: RecordedEvent, **_: Any) -> Wanted:
            return answer(event) if event.type == event_type else []

        event_recorded.connect(receive, weak=False, dispatch_uid=f"{event_type}:{answer.__name__}")
        return answer

    return connect


@subscribe("lead.created")
def greet_new_lead(event: RecordedEvent) -> Wanted:
    """The first message is owed, unless the trap for spam holds the lead back."""
    return [] if event.data.get("is_spam") else [_greeting(event)]


@subscribe("lead.resubmitted")
def greet_again(event: RecordedEvent) -> Wanted:
    """A first message that failed, or was never sent, is tried anew."""
    return [_greeting(event)] if event.data["greet_again"] else []


@subscribe("lead.created")
def sync_new_lead(event: RecordedEvent) -> Wanted:
    """The CRM gets the lead."""
    return [] if event.data.get("is_spam") else [_job(event, "sync_lead", f"sync:{event.data['lead_id']}")]


@subscribe("lead.created")
def tell_owner_of_lead(event: RecordedEvent) -> Wanted:
    """Whoever is to know of new leads hears of them; a burst becomes one notice."""
    return [] if event.data.get("is_spam") else [_notice(event)]


@subscribe("message.received")
def thread_answer(event: RecordedEvent) -> Wanted:
    """What a person wrote belongs to their conversation."""
    message_id = event.data["message_id"]
    return [_job(event, "thread_message", f"thread:{message_id}", message_id=message_id)]


@subscribe("message.received")
def tell_owner_of_answer(event: RecordedEvent) -> Wanted:
    """Whoever is to know of answers hears of them."""
    return [_notice(event)]


@subscribe("message.unresolved")
def tell_owner_of_stuck(event: RecordedEvent) -> Wanted:
    """A message nobody can account for is shown to a person."""
    return [_notice(event)]


def _greeting(event: RecordedEvent) -> NewJob:
    return _job(event, "greet_lead", f"greet:{event.data['lead_id']}")


def _notice(event: RecordedEvent) -> NewJob:
    return NewJob(
        organization_id=event.organization_id,
        kind="notify",
        key="notify",
        payload={"organization_id": str(event.organization_id)},
        delay_s=NOTICE_WINDOW_S,
    )


def _job(event: RecordedEvent, kind: str, key: str, **payload: str) -> NewJob:
    return NewJob(
        organization_id=event.organization_id,
        kind=kind,
        key=key,
        payload={
            "organization_id": str(event.organization_id),
            **(payload or {"lead_id": str(event.data["lead_id"])}),
        },
        correlation_id=event.correlation_id,
    )
