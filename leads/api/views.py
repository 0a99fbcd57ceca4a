"""The leads API: parse, one service call, respond."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotency import once
from accounts.api.pagination import PAGING, CursorPages, page_of
from accounts.api.problems import invalid
from accounts.api.views import ApiView, caller
from leads import consent, services
from leads.api import filters, lookup
from leads.api.batch import capture_batch
from leads.api.representations import contact_as_json, lead_as_json, timeline_as_json
from leads.api.serializers import (
    BatchResultSerializer,
    BatchSerializer,
    CapturedSerializer,
    ContactSerializer,
    LeadSerializer,
    LeadSubmissionSerializer,
    OptOutSerializer,
    TimelineSerializer,
    read_submission,
)
from leads.choices import GreetingState, LeadStatus
from leads.selectors import contacts_of, leads_of, timeline_of
from leads.submission import InvalidSubmission, Submission
from swiftex import clock
from swiftex.observability.correlation import bind

READ = "leads:read"
WRITE = "leads:write"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key again gets the stored answer, for 24 h."
)
PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="An RFC 9457 problem.")

LEAD_FILTERS: dict[str, tuple[str, filters.Reader]] = {
    "status": ("status", filters.read_one_of(LeadStatus)),
    "greeting_state": ("greeting_state", filters.read_one_of(GreetingState)),
    "source": ("source__key", filters.read_text),
    "campaign": ("campaign", filters.read_text),
    "external_id": ("external_id", filters.read_text),
    "phone": ("phone", filters.read_text),
    "email": ("email", filters.read_text),
    "contact_id": ("contact_id", filters.read_id("con")),
    "tag": ("tags__contains", lambda text: [filters.read_text(text)]),
    **filters.moments("received_at"),
    **filters.moments("created_at"),
}
CONTACT_FILTERS: dict[str, tuple[str, filters.Reader]] = {
    "phone": ("phone", filters.read_text),
    "email": ("email", filters.read_text),
    "region": ("region", filters.read_text),
    **filters.moments("created_at"),
}
CODES: dict[str, list[Any]] = {"status": list(LeadStatus), "greeting_state": list(GreetingState)}


LEAD_PAGE = page_of("LeadPage", LeadSerializer)
CONTACT_PAGE = page_of("ContactPage", ContactSerializer)


class LeadsView(ApiView):
    """POST captures a lead; GET lists leads, newest first."""

    required_scopes: ClassVar = {"GET": READ, "POST": WRITE}

    @extend_schema(
        operation_id="leads_capture",
        request=LeadSubmissionSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={202: CapturedSerializer, 200: CapturedSerializer, 400: PROBLEM, 409: PROBLEM, 422: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """A submission becomes a lead that is greeted at once (202), or a touch on the lead it repeats (200)."""
        received_at = clock.now()
        organization_id = caller(request).organization_id
        with bind(organization_id=organization_id):
            submission = read_submission(request.data, organization_id=organization_id)

            def work() -> tuple[int, object]:
                captured = _captured(submission, received_at)
                return (200 if captured.is_duplicate else 202), captured.as_json()

            return services.retry_races(lambda: once(request, work))

    @extend_schema(
        operation_id="leads_list",
        parameters=[OpenApiParameter(name, str, enum=CODES.get(name)) for name in (*LEAD_FILTERS, *PAGING)],
        responses={200: LEAD_PAGE, 400: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Leads in pages."""
        leads = filters.filtered(leads_of(caller(request).organization_id), request, LEAD_FILTERS)
        pages = CursorPages()
        return pages.get_paginated_response([lead_as_json(lead) for lead in pages.paginate_queryset(leads, request)])


class LeadBatchView(ApiView):
    """POST captures up to 1,000 leads, each on its own."""

    required_scopes: ClassVar = {"POST": WRITE}
    max_body_bytes: ClassVar = settings.SWIFTEX_API_MAX_BATCH_BYTES
    max_fields: ClassVar = 60_000

    @extend_schema(
        operation_id="leads_capture_batch",
        request=BatchSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={200: BatchResultSerializer, 400: PROBLEM, 409: PROBLEM, 422: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Each lead is captured, a duplicate, or refused with its own problem; one never undoes another."""
        received_at = clock.now()
        with bind(organization_id=caller(request).organization_id):
            return capture_batch(request, received_at=received_at)


class LeadView(ApiView):
    """One lead."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(operation_id="leads_read", responses={200: LeadSerializer, 404: PROBLEM})
    def get(self, request: Request, lead_id: str) -> Response:
        """The lead as it stands."""
        return Response(lead_as_json(lookup.lead(caller(request).organization_id, lead_id)))


class TimelineView(ApiView):
    """What happened to one lead."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(operation_id="leads_timeline", responses={200: TimelineSerializer, 404: PROBLEM})
    def get(self, request: Request, lead_id: str) -> Response:
        """The lead's moments, what each part took, and every fact about it."""
        lead = lookup.lead(caller(request).organization_id, lead_id)
        return Response(timeline_as_json(lead, timeline_of(organization_id=lead.organization_id, lead_id=lead.id)))


class ContactsView(ApiView):
    """GET lists contacts, newest first."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(
        operation_id="contacts_list",
        parameters=[OpenApiParameter(name, str) for name in (*CONTACT_FILTERS, *PAGING)],
        responses={200: CONTACT_PAGE, 400: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Contacts in pages."""
        contacts = filters.filtered(contacts_of(caller(request).organization_id), request, CONTACT_FILTERS)
        pages = CursorPages()
        shown = [contact_as_json(contact) for contact in pages.paginate_queryset(contacts, request)]
        return pages.get_paginated_response(shown)


class ContactView(ApiView):
    """One contact."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(operation_id="contacts_read", responses={200: ContactSerializer, 404: PROBLEM})
    def get(self, request: Request, contact_id: str) -> Response:
        """The contact as it stands."""
        return Response(contact_as_json(lookup.contact(caller(request).organization_id, contact_id)))


class OptOutView(ApiView):
    """POST opts a contact out of everything; DELETE opts it in again."""

    required_scopes: ClassVar = {"POST": WRITE, "DELETE": WRITE}

    @extend_schema(
        operation_id="contacts_opt_out",
        request=OptOutSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={200: ContactSerializer, 404: PROBLEM},
    )
    def post(self, request: Request, contact_id: str) -> Response:
        """Nothing more is sent to the contact, on any channel."""
        return _change_consent(request, contact_id, is_opted_out=True)

    @extend_schema(operation_id="contacts_opt_in", request=None, responses={200: ContactSerializer, 404: PROBLEM})
    def delete(self, request: Request, contact_id: str) -> Response:
        """The contact may be messaged again."""
        return _change_consent(request, contact_id, is_opted_out=False)


def _captured(submission: Submission, received_at: datetime) -> services.Captured:
    try:
        return services.store(services.prepare(submission, received_at=received_at))
    except InvalidSubmission as fault:
        raise invalid(fault.field, fault.reason, fault.code) from None


def _change_consent(request: Request, contact_id: str, *, is_opted_out: bool) -> Response:
    serializer = OptOutSerializer(data=request.data if is_opted_out else {})
    serializer.is_valid(raise_exception=True)
    key = caller(request)
    contact = lookup.contact(key.organization_id, contact_id)

    def work() -> tuple[int, object]:
        change = consent.opt_out if is_opted_out else consent.opt_in
        change(
            organization_id=key.organization_id,
            contact_id=contact.id,
            channel_kind=None,
            source="api",
            evidence={"said": serializer.validated_data.get("evidence", ""), "by": key.actor},
            at=clock.now(),
        )
        contact.refresh_from_db()
        return 200, contact_as_json(contact)

    return once(request, work)
