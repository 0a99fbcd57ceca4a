"""The writers of contacts, leads and touches. Every way in ends in `capture_lead` (design D17, D3; docs/adr/0025)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import orjson
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg import errors as postgres_errors

from accounts.selectors import organization_by_id
from leads import identity, sql
from leads.choices import ConsentStatus, GreetingState, LeadConsent, LeadStatus, Refusal
from leads.selectors import source_named
from leads.submission import CheckedSubmission, InvalidSubmission, SourceFacts, Submission, checked
from leads.suppression import hashes_of
from routing import events, rulebook
from swiftex.database import fetch_all
from swiftex.ids import new_id, public_id
from swiftex.observability import metrics
from swiftex.observability.correlation import bind

if TYPE_CHECKING:
    from accounts.models import Organization

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# Races end after one repetition in practice; more of them in a row mean that something else is wrong.
_MOST_TRIES = 5
_RACES = (
    postgres_errors.UniqueViolation,
    postgres_errors.DeadlockDetected,
    postgres_errors.SerializationFailure,
    postgres_errors.ForeignKeyViolation,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What capture made of a submission.

    lead_id, received_at and first_message_due_at are the first lead's when it is a duplicate.
    """

    organization_id: UUID
    lead_id: UUID
    contact_id: UUID
    touch_id: UUID
    is_duplicate: bool
    received_at: datetime
    first_message_due_at: datetime
    greets_again: bool = False

    def as_json(self) -> dict[str, Any]:
        """The answer of the API."""
        lead_id = public_id("lead", self.lead_id)
        return {
            "id": lead_id,
            "duplicate": self.is_duplicate,
            "contact_id": public_id("con", self.contact_id),
            "received_at": self.received_at,
            "first_message_due_at": self.first_message_due_at,
            "url": f"{settings.PUBLIC_URL}/api/v1/leads/{lead_id}",
        }


def capture_lead(submission: Submission, *, received_at: datetime) -> Captured:
    """The submission is a lead with its contact, touch, event and jobs, or a touch on the lead that it repeats.

    received_at: when the person pressed the button, aware; the greeting's budget runs from it.
    Committed on return, unless the caller has a transaction open. A second call with the same submission makes a
    touch. Raises InvalidSubmission (nothing is written then).
    """
    prepared = prepare(submission, received_at=received_at)

    def work() -> Captured:
        with transaction.atomic():
            return store(prepared)

    return retry_races(work)


def retry_races(work: Callable[[], Result]) -> Result:
    """What `work` returned, tried anew when it lost a race for a unique key or a lock.

    work: holds its own transaction, so that a lost race leaves nothing behind.
    """
    for tries in range(1, _MOST_TRIES + 1):
        try:
            return work()
        except (IntegrityError, OperationalError) as error:
            if tries == _MOST_TRIES or not isinstance(error.__cause__, _RACES):
                raise
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A submission that was checked and decided upon, ready to be stored; no statement was needed for it."""

    organization: "Organization"
    source: SourceFacts
    submission: CheckedSubmission
    decision: rulebook.Decision
    received_at: datetime

    @property
    def first_message_due_at(self) -> datetime:
        """When the first message is due with the channel."""
        return self.received_at + self.budget

    @property
    def budget(self) -> timedelta:
        """How long the first message may take."""
        return timedelta(milliseconds=self.organization.first_message_budget_ms)


def prepare(submission: Submission, *, received_at: datetime) -> Prepared:
    """The submission in normal form with the rules' decision; raises InvalidSubmission naming the field at fault."""
    organization = organization_by_id(submission.organization_id)
    source = source_named(organization_id=submission.organization_id, key=submission.source_key)
    if source is None:
        raise InvalidSubmission("source", "there is no active source of this key", "unknown_source")
    form = checked(submission, source=source, default_region=organization.default_region)
    decision = rulebook.decide(
        organization_id=organization.id,
        facts=rulebook.Facts(
            event_type="lead.created",
            source=source.key,
            source_kind=source.kind,
            campaign=submission.campaign or None,
            region=form.phone.region if form.phone else None,
            has_phone=form.phone is not None,
            has_email=bool(form.email),
            attributes=submission.attributes,
        ),
    )
    return Prepared(
        organization=organization, source=source, submission=form, decision=decision, received_at=received_at
    )


def store(prepared: Prepared) -> Captured:
    """The prepared submission is stored inside the caller's transaction, which must be tried anew on a lost race."""
    if not connection.in_atomic_block:
        raise RuntimeError("capture is one transaction: open it first")
    parameters = _parameters(prepared)
    rows = fetch_all(sql.CAPTURE, parameters)
    is_new_person = rows[0][4]
    if is_new_person:
        captured = _new_lead(prepared, parameters, contact_id=parameters["contact_id"])
    else:
        captured = _store_known_person(prepared, parameters, rows)
    metrics.event_received(source=prepared.source.kind)
    with bind(organization_id=captured.organization_id, correlation_id=captured.lead_id):
        logger.info("lead came in again" if captured.is_duplicate else "lead captured")
    return captured


def _store_known_person(prepared: Prepared, parameters: dict[str, Any], rows: list[tuple[Any, ...]]) -> Captured:
    matched: dict[identity.Kind, UUID] = {row[0]: row[1] for row in rows}
    earlier_lead_id, earlier_contact_id = rows[0][2], rows[0][3]
    candidate_id = parameters["contact_id"]
    whose = identity.belongs_to(matched=matched, by_external_id=earlier_contact_id, candidate_id=candidate_id)
    contact_ids = [whose.contact_id] + ([whose.also_matched_id] if whose.also_matched_id else [])
    fetch_all(sql.LOCK_CONTACTS, {"organization_id": prepared.organization.id, "contact_ids": contact_ids})
    window_days = prepared.source.duplicate_window_days
    parameters |= {
        "contact_id": whose.contact_id,
        "candidate_id": candidate_id,
        "other_contact_id": whose.also_matched_id,
        "earlier_lead_id": earlier_lead_id,
        "window_days": prepared.organization.duplicate_window_days if window_days is None else window_days,
        "suggestion_id": new_id(),
    }
    first = fetch_all(sql.REPEAT, parameters)
    if not first:
        return _new_lead(prepared, parameters, contact_id=whose.contact_id)
    lead_id, first_received_at, asked_at, is_owed = first[0]
    captured = Captured(
        organization_id=prepared.organization.id,
        lead_id=lead_id,
        contact_id=whose.contact_id,
        touch_id=parameters["touch_id"],
        is_duplicate=True,
        received_at=first_received_at,
        first_message_due_at=prepared.first_message_due_at if is_owed else asked_at + prepared.budget,
        greets_again=is_owed,
    )
    matched_by = _matched_by(matched, earlier_lead_id, candidate_id)
    _record_resubmitted(prepared, captured, matched_by=matched_by)
    metrics.duplicate_suppressed(stage="external_id" if matched_by == "external_id" else "contact")
    return captured


def _new_lead(prepared: Prepared, parameters: dict[str, Any], *, contact_id: UUID) -> Captured:
    captured = Captured(
        organization_id=prepared.organization.id,
        lead_id=parameters["lead_id"],
        contact_id=contact_id,
        touch_id=parameters["touch_id"],
        is_duplicate=False,
        received_at=prepared.received_at,
        first_message_due_at=prepared.first_message_due_at,
    )
    events.record(lead_created(prepared, captured))
    return captured


def lead_created(prepared: Prepared, captured: Captured) -> events.NewEvent:
    """The event of a new lead, as its contract says; what the serializer accepts, the contract accepts."""
    form = prepared.submission
    return events.NewEvent(
        organization_id=captured.organization_id,
        type="lead.created",
        subject=public_id("lead", captured.lead_id),
        correlation_id=captured.lead_id,
        data={
            **_touch_facts(prepared, captured),
            "external_id": form.given.external_id or None,
            "has_phone": form.phone is not None,
            "has_email": bool(form.email),
            "region": form.phone.region if form.phone else None,
            "decision": prepared.decision.as_json(),
            "received_at": captured.received_at.isoformat(),
            "first_message_due_at": captured.first_message_due_at.isoformat(),
            "is_spam": form.given.is_spam,
        },
    )


def _record_resubmitted(prepared: Prepared, captured: Captured, *, matched_by: str) -> None:
    events.record(
        events.NewEvent(
            organization_id=captured.organization_id,
            type="lead.resubmitted",
            subject=public_id("lead", captured.lead_id),
            correlation_id=captured.lead_id,
            data={
                **_touch_facts(prepared, captured),
                "matched_by": matched_by,
                "greet_again": captured.greets_again,
                "received_at": prepared.received_at.isoformat(),
            },
        )
    )


def _touch_facts(prepared: Prepared, captured: Captured) -> dict[str, Any]:
    """What both events say: whose touch it was, and where it came from."""
    return {
        "lead_id": str(captured.lead_id),
        "contact_id": str(captured.contact_id),
        "touch_id": str(captured.touch_id),
        "source": prepared.source.key,
        "source_kind": prepared.source.kind,
        "campaign": prepared.submission.given.campaign or None,
    }


def _matched_by(matched: dict[identity.Kind, UUID], earlier_lead_id: UUID | None, candidate_id: UUID) -> str:
    if earlier_lead_id is not None:
        return "external_id"
    return identity.PHONE if matched.get(identity.PHONE, candidate_id) != candidate_id else identity.EMAIL


def _parameters(prepared: Prepared) -> dict[str, Any]:
    form, given = prepared.submission, prepared.submission.given
    identities = form.identities
    return {
        "organization_id": prepared.organization.id,
        "source_id": prepared.source.id,
        "source_key": prepared.source.key,
        "lead_id": new_id(),
        "contact_id": new_id(),
        "touch_id": new_id(),
        "identity_ids": [new_id() for _ in identities],
        "kinds": [kind for kind, _ in identities],
        "values": [value for _, value in identities],
        "hashes": hashes_of(prepared.organization.id, identities),
        "name": form.names.name,
        "first_name": form.names.first_name,
        "last_name": form.names.last_name,
        "phone": form.phone.e164 if form.phone else "",
        "region": (form.phone.region or "") if form.phone else "",
        "email": form.email,
        "campaign": given.campaign,
        "external_id": given.external_id or None,
        "message": given.message,
        "attributes": orjson.dumps(given.attributes).decode(),
        "utm": orjson.dumps(given.utm).decode(),
        "decision": orjson.dumps(prepared.decision.as_json()).decode(),
        "tags": list(prepared.decision.tags),
        "received_at": prepared.received_at,
        "is_spam": given.is_spam,
        **_states(form),
    }


def _states(form: CheckedSubmission) -> dict[str, Any]:
    is_spam = form.given.is_spam
    evidence = form.given.consent.evidence if form.given.consent else {}
    ledger = {LeadConsent.GRANTED: ConsentStatus.GRANTED.value, LeadConsent.REFUSED: ConsentStatus.REVOKED.value}
    return {
        "consent": form.consent.value,
        "consent_status": ledger.get(form.consent, ""),
        "consent_record_id": new_id(),
        "evidence": orjson.dumps(dict(evidence)).decode(),
        "status": (LeadStatus.SPAM if is_spam else LeadStatus.NEW).value,
        "greeting_state": (GreetingState.SUPPRESSED if is_spam else GreetingState.PENDING).value,
        "greeting_reason": Refusal.SPAM.value if is_spam else "",
    }
