"""What tests of leads start from: an organization with sources, a key, and counts of every row that capture writes."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.test import Client

from accounts import services as accounts
from accounts.api import authentication
from accounts.models import Organization
from leads import selectors, services
from leads.models import Contact, Identity, Lead, LeadSource, Touch
from leads.submission import Submission
from routing.models import Event, Job

RECEIVED_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Setup:
    organization: Organization
    source: LeadSource
    key: str

    def client(self) -> Client:
        return Client(headers={"Authorization": f"Bearer {self.key}"})

    def post(self, body: object, **headers: str):
        return self.client().post("/api/v1/leads", body, content_type="application/json", headers=headers)

    def submission(self, **values) -> Submission:
        return Submission(organization_id=self.organization.id, source_key=values.pop("source", "website"), **values)

    def capture(self, *, at: datetime = RECEIVED_AT, **values) -> services.Captured:
        return services.capture_lead(self.submission(**values), received_at=at)

    def counts(self) -> dict[str, int]:
        mine = {"organization": self.organization}
        return {
            "contacts": Contact.objects.filter(**mine).count(),
            "identities": Identity.objects.filter(**mine).count(),
            "leads": Lead.objects.filter(**mine).count(),
            "touches": Touch.objects.filter(**mine).count(),
            "created": Event.objects.filter(type="lead.created", **mine).count(),
            "resubmitted": Event.objects.filter(type="lead.resubmitted", **mine).count(),
            "greetings": Job.objects.filter(kind="greet_lead", **mine).count(),
        }


NOTHING = dict.fromkeys(("contacts", "identities", "leads", "touches", "created", "resubmitted", "greetings"), 0)


def make_setup(**columns) -> Setup:
    """An organization in India with the sources website (api), second (api) and landing (form), and a key."""
    selectors.forget_cached_sources()
    authentication.forget_known_keys()
    slug = f"org-{uuid.uuid4().hex[:12]}"
    organization = Organization.objects.create(slug=slug, name="Acme Loans", default_region="IN", **columns)
    source = make_source(organization.id, key="website")
    make_source(organization.id, key="second")
    make_source(
        organization.id,
        key="landing",
        kind="form",
        consent="required",
        consent_text="You may contact me about my request.",
        consent_version="2026-11",
        fields=["name", "phone", "email", "message"],
    )
    key = accounts.issue_api_key(organization_id=organization.id, name="test", scopes=["*"], actor="command:test")
    return Setup(organization, source, key.text)


def make_source(organization_id: UUID, **columns) -> LeadSource:
    return LeadSource.objects.create(organization_id=organization_id, **columns)
