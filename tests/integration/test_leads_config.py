import io

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pydantic import TypeAdapter, ValidationError

from leads.config_section import SECTIONS
from leads.models import LeadSource
from tests.integration.leads_setup import NOTHING, Setup, make_setup

SECTION = SECTIONS[0]
SHAPE = TypeAdapter(SECTION.shape)
FILE = [
    {"key": "website", "kind": "api", "consent": "assumed"},
    {
        "key": "landing",
        "kind": "form",
        "fields": ["name", "phone"],
        "consent": "required",
        "consent_text": {"text": "You may.", "version": "2026-11"},
    },
    {"key": "google", "kind": "google_leads", "google_key": "hush"},
    {"key": "plain", "kind": "form"},
]


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


def apply(setup: Setup, value: list) -> dict[str, str]:
    with transaction.atomic():
        changes = SECTION.apply(setup.organization.id, SHAPE.validate_python(value))
    return {change.path: change.action for change in changes}


def test_the_file_is_applied_and_a_second_time_changes_nothing(acme) -> None:
    first = apply(acme, FILE)
    second = apply(acme, FILE)

    assert first == {
        "sources.website": "unchanged", "sources.landing": "updated", "sources.google": "created",
        "sources.plain": "created", "sources.second": "kept",
    }  # fmt: skip
    assert set(second.values()) == {"unchanged", "kept"}
    google = LeadSource.objects.get(organization=acme.organization, key="google")
    assert dict(google.credentials) == {"google_key": "hush"}
    plain = LeadSource.objects.get(organization=acme.organization, key="plain")
    assert (plain.consent, plain.fields) == ("required", ["name", "phone", "email", "message"])


def test_no_change_shows_a_secret(acme) -> None:
    apply(acme, FILE)
    with transaction.atomic():
        value = SHAPE.validate_python([{"key": "google", "kind": "google_leads", "google_key": "other-secret"}])
        changes = SECTION.apply(acme.organization.id, value)

    assert changes[0].action == "updated"
    assert "secret" not in str(changes)
    assert "hush" not in str(changes)


@pytest.mark.parametrize(
    "source",
    [
        {"key": "Upper", "kind": "api"},
        {"key": "x", "kind": "carrier_pigeon"},
        {"key": "x", "kind": "admin"},
        {"key": "x", "kind": "api", "colour": "red"},
        {"key": "x", "kind": "google_leads"},
        {"key": "x", "kind": "api", "google_key": "hush"},
        {"key": "x", "kind": "api", "fields": ["phone"]},
        {"key": "x", "kind": "form", "fields": ["name"]},
        {"key": "x", "kind": "form", "fields": ["phone", "consent"]},
        {"key": "x", "kind": "form", "fields": ["phone", "No Such"]},
        {"key": "x", "kind": "api", "duplicate_window_days": -1},
        {"key": "x", "kind": "form", "consent_text": "You may."},
    ],
)
def test_a_source_that_cannot_be_is_refused(source) -> None:
    with pytest.raises(ValidationError):
        SHAPE.validate_python([source])


def test_keys_and_fields_stand_once() -> None:
    value = SHAPE.validate_python(
        [{"key": "a", "kind": "api"}, {"key": "a", "kind": "form", "fields": ["phone", "phone"]}]
    )

    assert [mistake.path for mistake in SECTION.check(value, {})] == ["sources[1].key", "sources[1].fields"]


def test_send_test_lead_says_what_happened(acme) -> None:
    out = io.StringIO()
    slug = acme.organization.slug

    with pytest.raises(CommandError, match="pending after 0"):
        call_command("send_test_lead", organization=slug, source="website", phone="98765 43210", wait=0.0, stdout=out)
    assert "captured as lead_" in out.getvalue()
    assert "Captured from website" in out.getvalue()
    assert acme.counts()["greetings"] == 1


def test_send_test_lead_refuses_what_cannot_be(acme) -> None:
    slug = acme.organization.slug
    for options, words in (
        ({"organization": "nobody", "source": "website"}, "no organization"),
        ({"organization": slug, "source": "nothing", "phone": "98765 43210"}, "source"),
        ({"organization": slug, "source": "website", "phone": "12"}, "not a possible number"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("send_test_lead", **options)
    assert acme.counts() == NOTHING
