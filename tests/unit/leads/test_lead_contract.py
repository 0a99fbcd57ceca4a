"""No lead that the serializer accepts may be refused by the event contract."""

import uuid
from datetime import UTC, datetime

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework import serializers

from accounts.models import Organization
from leads.api.serializers import read_submission
from leads.services import Captured, Prepared, lead_created
from leads.submission import InvalidSubmission, SourceFacts, checked
from routing import contracts, rulebook

ORGANIZATION = Organization(id=uuid.UUID(int=1), slug="acme", name="Acme", default_region="IN")
RECEIVED_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)

text = st.text(max_size=260)
scalar = st.one_of(text, st.booleans(), st.none(), st.integers(), st.floats())
values = st.one_of(scalar, st.lists(scalar, max_size=25), st.dictionaries(text, scalar, max_size=3))
leads = st.fixed_dictionaries(
    {"phone": st.one_of(st.just("+919876543210"), values)},
    optional={
        "campaign": values, "external_id": values, "name": values, "first_name": values, "last_name": values,
        "email": st.one_of(st.emails(), values), "message": values, "consent": values,
        "attributes": st.dictionaries(st.text(max_size=70), values, max_size=55),
        "utm": st.dictionaries(st.text(max_size=70), text, max_size=22),
    },
)  # fmt: skip
keys = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,63}\Z")
kinds = st.sampled_from(["api", "form", "partner", "google_leads", "meta_leads", "linkedin_leads", "admin"])


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(leads, keys, kinds)
def test_what_the_serializer_accepts_the_contract_accepts(lead, key, kind) -> None:
    source = SourceFacts(
        id=uuid.UUID(int=2), organization_id=ORGANIZATION.id, key=key, kind=kind, consent="assumed", consent_text="",
        consent_version="", fields=(), duplicate_window_days=None,
    )  # fmt: skip
    try:
        submission = read_submission({"source": key} | lead, organization_id=ORGANIZATION.id)
        form = checked(submission, source=source, default_region="IN")
    except (serializers.ValidationError, InvalidSubmission):
        return
    facts = rulebook.Facts(event_type="lead.created", source=key, source_kind=kind, attributes=submission.attributes)
    prepared = Prepared(
        organization=ORGANIZATION, source=source, submission=form, received_at=RECEIVED_AT,
        decision=rulebook.decide(organization_id=ORGANIZATION.id, facts=facts),
    )  # fmt: skip
    captured = Captured(
        organization_id=ORGANIZATION.id, lead_id=uuid.uuid4(), contact_id=uuid.uuid4(), touch_id=uuid.uuid4(),
        is_duplicate=False, received_at=RECEIVED_AT, first_message_due_at=prepared.first_message_due_at,
    )  # fmt: skip

    event = lead_created(prepared, captured)

    contracts.validate(type=event.type, version=event.version, data=orjson.loads(orjson.dumps(event.data)))
    orjson.dumps([dict(submission.attributes), dict(submission.utm)])
