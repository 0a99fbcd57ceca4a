import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.choices import LeadConsent
from leads.submission import Consent, InvalidSubmission, Names, SourceFacts, Submission, checked, names_of

ORGANIZATION = uuid.UUID(int=1)


def source(**values) -> SourceFacts:
    return SourceFacts(
        **{
            "id": uuid.UUID(int=2), "organization_id": ORGANIZATION, "key": "s", "kind": "api", "consent": "assumed",
            "consent_text": "", "consent_version": "", "fields": (), "duplicate_window_days": None,
        } | values
    )  # fmt: skip


def submission(**values) -> Submission:
    return Submission(**{"organization_id": ORGANIZATION, "source_key": "s", "phone": "+919876543210"} | values)


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        ({"name": "Ann Maria Lee"}, Names("Ann Maria Lee", "Ann", "Maria Lee")),
        ({"first_name": "Ann", "last_name": "Lee"}, Names("Ann Lee", "Ann", "Lee")),
        ({"name": "Dr Ann Lee", "first_name": "Ann"}, Names("Dr Ann Lee", "Ann", "")),
        ({"name": " \t Ann\n\nLee\x07 "}, Names("Ann Lee", "Ann", "Lee")),
        ({"name": "王小明"}, Names("王小明", "王小明", "")),
        ({}, Names()),
    ],
)
def test_names_in_whole_and_in_parts(given_names, expected) -> None:
    assert names_of(**{"name": "", "first_name": "", "last_name": ""} | given_names) == expected


@given(st.text(max_size=400), st.text(max_size=200), st.text(max_size=200))
def test_names_always_fit_their_columns(name, first_name, last_name) -> None:
    names = names_of(name=name, first_name=first_name, last_name=last_name)

    assert len(names.name) <= 200
    assert len(names.first_name) <= 100
    assert len(names.last_name) <= 100
    assert not any(character in names.name for character in "\x00\n\r\t")


@pytest.mark.parametrize(
    ("rule", "kind", "consent", "expected"),
    [
        ("assumed", "api", None, LeadConsent.ASSUMED),
        ("assumed", "api", True, LeadConsent.GRANTED),
        ("assumed", "api", False, LeadConsent.REFUSED),
        ("required", "form", True, LeadConsent.GRANTED),
        ("required", "admin", None, LeadConsent.ASSUMED),
    ],
)
def test_what_a_person_said_about_consent(rule, kind, consent, expected) -> None:
    given_consent = None if consent is None else Consent(is_given=consent)

    form = checked(submission(consent=given_consent), source=source(consent=rule, kind=kind), default_region="IN")

    assert form.consent is expected


@pytest.mark.parametrize("consent", [None, Consent(is_given=False)])
def test_a_consent_that_is_needed_is_asked_for_by_name(consent) -> None:
    with pytest.raises(InvalidSubmission) as refused:
        checked(submission(consent=consent), source=source(consent="required", kind="form"), default_region="IN")

    assert (refused.value.field, refused.value.code) == ("consent", "required")


@pytest.mark.parametrize(
    ("values", "field"), [({"phone": " "}, "phone"), ({"phone": "x"}, "phone"), ({"email": "x"}, "email")]
)
def test_the_field_at_fault_is_named(values, field) -> None:
    with pytest.raises(InvalidSubmission) as refused:
        checked(submission(**values), source=source(), default_region="IN")

    assert refused.value.field == field


def test_identities_are_sorted_and_spam_has_only_one() -> None:
    both = {"phone": "+919876543210", "email": "a@example.com"}

    assert checked(submission(**both), source=source(), default_region="IN").identities == [
        ("email", "a@example.com"), ("phone", "+919876543210"),
    ]  # fmt: skip
    spam = checked(submission(**both, is_spam=True), source=source(), default_region="IN")
    assert spam.identities == [("phone", "+919876543210")]
