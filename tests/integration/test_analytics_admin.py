"""The report page, as members of two organizations and a superuser see it."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from accounts import services as accounts_services
from accounts.models import Role
from analytics.histogram import bucket_of
from analytics.models import LeadStat

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/analytics/leadstat/"


def log_in(user):
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def member(organization, role):
    name = f"{organization.slug}-{role}"
    accounts_services.add_member(
        organization_id=organization.pk, username=name, role=role, actor="command:test", password="correct horse"
    )
    return log_in(get_user_model().objects.get(username=name))


def add(organization, measure, count, *, channel="", detail="", source="website"):
    LeadStat.objects.create(
        organization=organization,
        day=datetime.now(UTC).date(),
        source=source,
        channel=channel,
        measure=measure,
        detail=detail,
        count=count,
    )


@pytest.fixture
def figures(organization):
    add(organization, "captured", 41)
    add(organization, "greeted", 40, channel="whatsapp_cloud")
    add(organization, "bucket", 40, channel="whatsapp_cloud", detail=str(bucket_of(870)))
    add(organization, "under_2s", 39, channel="whatsapp_cloud")
    add(organization, "fallback", 3, channel="whatsapp_cloud", detail="late")
    add(organization, "suppressed", 1, detail="opted_out")


def test_the_report_tells_how_fast_an_organization_was(organization, figures):
    page = member(organization, Role.VIEWER).get(PAGE)

    html = page.content.decode()
    assert page.status_code == 200
    for said in ("First response", "website", "whatsapp_cloud 40", "late 3", "opted_out 1", "97.5 %", " ms"):
        assert said in html
    assert "<strong>41</strong>" in html


def test_another_organization_sees_none_of_it(organization, other_organization, figures):
    page = member(other_organization, Role.OWNER).get(PAGE)

    assert page.status_code == 200
    assert b"website" not in page.content
    assert b"No leads in this period." in page.content


def test_a_superuser_chooses_an_organization_first(organization, figures):
    root = log_in(get_user_model().objects.create_superuser("root", password="correct horse"))

    assert b"Choose an organization above" in root.get(PAGE).content
    root.get(f"/admin/accounts/organization/{organization.pk}/switch/")
    assert b"whatsapp_cloud 40" in root.get(PAGE).content


@pytest.mark.parametrize("days", ["1", "7", "90", "x", "-1", "100000"])
def test_any_period_that_is_asked_for_is_answered(organization, figures, days):
    assert member(organization, Role.VIEWER).get(f"{PAGE}?days={days}").status_code == 200


def test_who_is_no_member_sees_nothing(organization, figures):
    user = get_user_model().objects.create_user("nobody", password="correct horse", is_staff=True)

    assert log_in(user).get(PAGE).status_code == 403
