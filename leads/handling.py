"""What people do with leads: assign, set aside as spam, greet again, settle a merge suggestion."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from leads.choices import Refusal
from leads.consent_sql import SENDING_REFUSAL
from leads.models import Lead, MergeSuggestion
from routing import events, jobs
from swiftex.database import execute, fetch_one
from swiftex.ids import public_id

_LOCK = f"""
SELECT lead.status, lead.greeting_state, {SENDING_REFUSAL} FROM leads_lead lead
JOIN leads_contact contact ON contact.organization_id = lead.organization_id AND contact.id = lead.contact_id
WHERE lead.organization_id = %s AND lead.id = %s FOR NO KEY UPDATE OF lead
"""  # noqa: S608 - constants of the product
_OWE_GREETING = """
UPDATE leads_lead
SET status = CASE WHEN status = 'spam' THEN 'new' ELSE status END, greeting_state = 'pending', greeting_reason = '',
    greeting_channel = '', greeting_asked_at = %(at)s,
    greeting_round = greeting_round + CASE WHEN greeting_state = 'pending' THEN 0 ELSE 1 END
WHERE organization_id = %(organization_id)s AND id = %(lead_id)s
"""
_SET_ASIDE = """
UPDATE leads_lead
SET status = 'spam',
    greeting_reason = CASE WHEN greeting_state = 'pending' THEN 'spam' ELSE greeting_reason END,
    greeting_state = CASE WHEN greeting_state = 'pending' THEN 'suppressed' ELSE greeting_state END
WHERE organization_id = %s AND id = %s
"""


class CannotGreet(Exception):
    """The lead cannot be greeted again; the message says why."""


class UnknownLead(LookupError):
    """The organization has no such lead."""


def assign_lead(*, organization_id: UUID, lead_id: UUID, owner_id: int | None) -> bool:
    """The lead belongs to that user, a member of the organization, or to nobody; False when that was so already."""
    with transaction.atomic():
        lead = Lead.objects.select_for_update(of=["self"], no_key=True).filter(organization_id=organization_id)
        row = lead.filter(pk=lead_id).only("owner_id").first()
        if row is None:
            raise UnknownLead
        if row.owner_id == owner_id:
            return False
        row.owner_id = owner_id
        row.save(update_fields=["owner"])
        _record("lead.assigned", organization_id, lead_id, owner_id=owner_id)
    return True


def greet_again(*, organization_id: UUID, lead_id: UUID, at: datetime) -> None:
    """The first message is owed once more, from `at` on; raises CannotGreet when it went out or must not.

    A greeting whose outcome nobody knows may be asked for: a person decides that it did not arrive.
    """
    with transaction.atomic():
        status, state, refusal = _locked(organization_id, lead_id)
        if status == "spam":
            raise CannotGreet("it is set aside as spam")
        if refusal is not None:
            raise CannotGreet("the person opted out" if refusal == Refusal.OPTED_OUT else "the person did not consent")
        if state == "greeted":
            raise CannotGreet("it was greeted")
        _owe_greeting(organization_id, lead_id, at)


def mark_spam(*, organization_id: UUID, lead_id: UUID, reason: str) -> bool:
    """The lead is set aside: nothing is sent for it, and it counts for no duplicate; False when it was already."""
    with transaction.atomic():
        status, state, _ = _locked(organization_id, lead_id)
        if status == "spam":
            return False
        execute(_SET_ASIDE, [organization_id, lead_id])
        jobs.cancel(organization_id=organization_id, correlation_ids=[lead_id], kinds=["greet_lead"])
        _record("lead.marked_spam", organization_id, lead_id, reason=reason)
        if state == "pending":
            suppressed = {"message_id": None, "obligation": "greeting", "reason": Refusal.SPAM.value}
            _record("message.suppressed", organization_id, lead_id, **suppressed)
    return True


def release_from_spam(*, organization_id: UUID, lead_id: UUID, at: datetime) -> bool:
    """The lead is a new one like any other, greeted if nothing forbids it, and synced; False when it was no spam."""
    with transaction.atomic():
        status, state, _ = _locked(organization_id, lead_id)
        if status != "spam":
            return False
        if state == "greeted":
            Lead.objects.filter(organization_id=organization_id, pk=lead_id).update(status="contacted")
            return True
        _owe_greeting(organization_id, lead_id, at)
        jobs.enqueue(_job("sync_lead", f"sync:{lead_id}", organization_id, lead_id))
    return True


def dismiss_suggestion(*, organization_id: UUID, suggestion_id: UUID, at: datetime) -> bool:
    """The two contacts are two people; False when that was said already."""
    open_suggestions = MergeSuggestion.objects.filter(organization_id=organization_id, dismissed_at__isnull=True)
    return open_suggestions.filter(pk=suggestion_id).update(dismissed_at=at) == 1


def _locked(organization_id: UUID, lead_id: UUID) -> tuple[str, str, str | None]:
    row = fetch_one(_LOCK, [organization_id, lead_id])
    if row is None:
        raise UnknownLead
    return row[0], row[1], row[2]


def _owe_greeting(organization_id: UUID, lead_id: UUID, at: datetime) -> None:
    execute(_OWE_GREETING, {"organization_id": organization_id, "lead_id": lead_id, "at": at})
    jobs.enqueue(_job("greet_lead", f"greet:{lead_id}", organization_id, lead_id))


def _job(kind: str, key: str, organization_id: UUID, lead_id: UUID) -> jobs.NewJob:
    return jobs.NewJob(
        organization_id=organization_id,
        kind=kind,
        key=key,
        payload={"organization_id": str(organization_id), "lead_id": str(lead_id)},
        correlation_id=lead_id,
    )


def _record(type: str, organization_id: UUID, lead_id: UUID, **data: object) -> None:
    events.record(
        events.NewEvent(
            organization_id=organization_id,
            type=type,
            subject=public_id("lead", lead_id),
            correlation_id=lead_id,
            data={"lead_id": str(lead_id), **data},
        )
    )
