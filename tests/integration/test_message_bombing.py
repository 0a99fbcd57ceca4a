"""Somebody else's phone, sent in a hundred times, is greeted once."""

from datetime import timedelta
from itertools import cycle

import pytest
from django.test import Client

from leads.sources import form as forms
from routing.models import Job
from swiftex import clock
from tests.integration.leads_setup import Setup, make_setup, make_source

SPELLINGS = cycle(["98765 43210", "+91 98765-43210", "0 98765 43210", "(+91) 9876543210", "00919876543210"])


@pytest.fixture
def acme(transactional_db) -> Setup:
    acme = make_setup()
    make_source(acme.organization.id, key="other", kind="form", fields=["name", "phone"], consent="assumed")
    return acme


def submit_form(acme: Setup, source: str, number: int) -> int:
    key = f"{acme.organization.slug}.{source}"
    token = forms.token_for(forms.form_of(key), shown_at=clock.now() - timedelta(seconds=10))
    fields = {"name": f"Victim {number}", "phone": next(SPELLINGS), "consent": "yes", "form_token": token}
    return Client().post(f"/forms/{key}", fields, REMOTE_ADDR=f"203.0.113.{number}").status_code


def submit_by_api(acme: Setup, source: str, number: int) -> int:
    body = {"source": source, "name": f"Victim {number}", "phone": next(SPELLINGS), "external_id": f"x{number}"}
    return acme.post(body | {"email": f"victim{number}@example.com"}).status_code


def test_one_phone_a_hundred_times_over_forms_and_sources_is_one_lead_and_one_greeting(acme) -> None:
    ways = cycle(
        [(submit_form, "landing"), (submit_form, "other"), (submit_by_api, "website"), (submit_by_api, "second")]
    )

    answers = [submit(acme, source, number) for number, (submit, source) in zip(range(100), ways, strict=False)]

    assert set(answers) <= {200, 202, 303, 429}
    assert answers.count(202) <= 1
    counts = acme.counts()
    assert (counts["leads"], counts["contacts"], counts["created"], counts["greetings"]) == (1, 1, 1, 1)


def test_a_form_without_a_window_still_greets_one_phone_a_few_times_only(acme) -> None:
    make_source(
        acme.organization.id, key="open", kind="form", fields=["name", "phone"], consent="assumed",
        duplicate_window_days=0,
    )  # fmt: skip

    answers = [submit_form(acme, "open", number) for number in range(30)]

    assert answers.count(303) == forms.SUBMITS_PER_PHONE
    assert Job.objects.filter(organization=acme.organization, kind="greet_lead").count() <= forms.SUBMITS_PER_PHONE
