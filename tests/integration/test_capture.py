from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction

from leads import consent
from leads.choices import GreetingState
from leads.greeting_state import mark_greeting, mark_replied
from leads.models import ConsentRecord, Contact, Identity, Lead, MergeSuggestion, Suppression, Touch
from leads.selectors import lead_for_greeting, open_lead_of_contact
from leads.submission import Consent, InvalidSubmission
from routing.models import Event, Job
from tests.integration.leads_setup import NOTHING, RECEIVED_AT, Setup, make_setup, make_source

PHONE = "+919876543210"


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


def set_greeting(captured, **columns) -> None:
    Lead.objects.filter(pk=captured.lead_id).update(**columns)


def test_a_submission_is_contact_lead_touch_event_and_greeting(acme) -> None:
    captured = acme.capture(name="Ann Lee", phone="98765 43210", email="Ann@Example.com", message="Hi", campaign="x")

    assert acme.counts() == {
        "contacts": 1, "identities": 2, "leads": 1, "touches": 1, "created": 1, "resubmitted": 0, "greetings": 1,
    }  # fmt: skip
    lead = Lead.objects.get(pk=captured.lead_id)
    assert (lead.phone, lead.email, lead.message, lead.campaign) == (PHONE, "ann@example.com", "Hi", "x")
    assert lead.received_at == RECEIVED_AT == captured.received_at
    assert captured.first_message_due_at == RECEIVED_AT + timedelta(seconds=2)
    event = Event.objects.get(type="lead.created")
    assert event.correlation_id == lead.id
    assert event.data["decision"] == lead.decision
    assert (event.data["region"], event.data["has_phone"], event.data["has_email"]) == ("IN", True, True)
    assert "Ann" not in str(event.data)
    assert PHONE not in str(event.data)
    assert Job.objects.get(kind="greet_lead").key == f"greet:{lead.id}"


def test_capture_takes_two_statements(acme, monkeypatch) -> None:
    acme.capture(phone=PHONE)
    statements = []
    execute = psycopg.Cursor.execute

    def counted(cursor, query, *args, **kwargs):
        statements.append(str(query).split()[0])
        return execute(cursor, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    acme.capture(phone="+919876543211")

    assert statements == ["WITH", "WITH"]


def test_the_same_person_within_the_window_is_a_touch(acme) -> None:
    first = acme.capture(phone=PHONE, campaign="a")
    set_greeting(first, greeting_state="greeted")
    again = acme.capture(phone="09876543210", source="second", campaign="b", at=RECEIVED_AT + timedelta(days=29))

    assert again.is_duplicate
    assert (again.lead_id, again.contact_id, again.received_at) == (first.lead_id, first.contact_id, RECEIVED_AT)
    assert not again.greets_again
    assert acme.counts() == {
        "contacts": 1, "identities": 1, "leads": 1, "touches": 2, "created": 1, "resubmitted": 1, "greetings": 1,
    }  # fmt: skip
    assert sorted(Touch.objects.values_list("campaign", flat=True)) == ["a", "b"]
    assert Event.objects.get(type="lead.resubmitted").data["matched_by"] == "phone"


def test_after_the_window_the_same_person_has_a_second_lead(acme) -> None:
    first = acme.capture(phone=PHONE)
    later = acme.capture(phone=PHONE, at=RECEIVED_AT + timedelta(days=31))

    assert not later.is_duplicate
    assert later.contact_id == first.contact_id
    assert acme.counts()["leads"] == acme.counts()["created"] == 2
    assert open_lead_of_contact(organization_id=acme.organization.id, contact_id=first.contact_id) == later.lead_id


def test_a_source_with_no_window_makes_a_lead_each_time(acme) -> None:
    make_source(acme.organization.id, key="always", duplicate_window_days=0)

    captured = [acme.capture(phone=PHONE, source="always") for _ in range(2)]

    assert not any(one.is_duplicate for one in captured)
    assert acme.counts()["contacts"] == 1
    assert acme.counts()["leads"] == 2


def test_the_same_external_id_is_a_duplicate_even_with_another_phone(acme) -> None:
    first = acme.capture(phone=PHONE, external_id="7")
    again = acme.capture(phone="+919876543211", external_id="7", at=RECEIVED_AT + timedelta(days=400))
    other_source = acme.capture(phone="+919876543212", external_id="7", source="second")

    assert again.is_duplicate
    assert again.lead_id == first.lead_id
    assert not other_source.is_duplicate
    assert acme.counts()["contacts"] == 2
    assert Identity.objects.get(value="+919876543211").contact_id == first.contact_id
    assert Event.objects.get(type="lead.resubmitted").data["matched_by"] == "external_id"


def test_ten_copies_from_two_sources_at_once_are_one_lead(acme) -> None:
    def copy(number: int):
        try:
            return acme.capture(
                phone=PHONE, email="ann@example.com", source="website" if number % 2 else "second", name=f"Ann {number}"
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        captured = list(pool.map(copy, range(10)))

    assert sum(not one.is_duplicate for one in captured) == 1
    assert len({one.lead_id for one in captured}) == 1
    assert acme.counts() == {
        "contacts": 1, "identities": 2, "leads": 1, "touches": 10, "created": 1, "resubmitted": 9, "greetings": 1,
    }  # fmt: skip


def test_copies_with_one_external_id_and_crossed_identities_are_one_lead(acme) -> None:
    def copy(number: int):
        try:
            return acme.capture(phone=f"+91987654321{number}", email=f"e{9 - number}@example.com", external_id="x")
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        captured = list(pool.map(copy, range(10)))

    assert len({one.lead_id for one in captured}) == 1
    assert acme.counts() == {
        "contacts": 1, "identities": 20, "leads": 1, "touches": 10, "created": 1, "resubmitted": 9, "greetings": 1,
    }  # fmt: skip


def test_two_contacts_matched_at_once_the_phone_wins_and_a_merge_is_suggested(acme) -> None:
    by_phone = acme.capture(phone=PHONE)
    by_email = acme.capture(email="ann@example.com")

    both = acme.capture(phone=PHONE, email="ann@example.com")
    acme.capture(phone=PHONE, email="ann@example.com")

    assert both.contact_id == by_phone.contact_id
    suggestion = MergeSuggestion.objects.get()
    assert (suggestion.contact_id, suggestion.other_id) == (by_phone.contact_id, by_email.contact_id)


def test_a_new_identity_of_a_known_person_is_theirs_and_fills_what_was_empty(acme) -> None:
    first = acme.capture(email="ann@example.com", name="Ann")
    acme.capture(phone=PHONE, email="ann@example.com", name="Another Name")

    contact = Contact.objects.get()
    assert contact.id == first.contact_id
    assert (contact.phone, contact.region, contact.name) == (PHONE, "IN", "Ann")
    assert set(Identity.objects.values_list("contact_id", flat=True)) == {contact.id}
    assert MergeSuggestion.objects.count() == 0


@pytest.mark.parametrize(
    ("columns", "is_greeted_again"),
    [
        ({"greeting_state": GreetingState.FAILED}, True),
        ({"greeting_state": GreetingState.SUPPRESSED, "greeting_reason": "no_channel"}, True),
        ({"greeting_state": GreetingState.PENDING, "greeting_asked_at": RECEIVED_AT - timedelta(minutes=5)}, True),
        ({"greeting_state": GreetingState.PENDING}, False),
        ({"greeting_state": GreetingState.GREETED}, False),
        ({"greeting_state": GreetingState.UNRESOLVED}, False),
    ],
)
def test_a_greeting_that_failed_or_never_went_out_is_owed_once_more(acme, columns, is_greeted_again) -> None:
    first = acme.capture(phone=PHONE)
    set_greeting(first, **columns)
    Job.objects.all().delete()

    again = [acme.capture(phone=PHONE, at=RECEIVED_AT + timedelta(seconds=1)) for _ in range(3)]

    assert [one.greets_again for one in again] == [is_greeted_again, False, False]
    assert Job.objects.filter(kind="greet_lead").count() == int(is_greeted_again)


def test_a_greeting_owed_anew_has_a_fresh_budget_and_a_key_of_its_own(acme) -> None:
    first = acme.capture(phone=PHONE)
    before = lead_for_greeting(organization_id=acme.organization.id, lead_id=first.lead_id)
    set_greeting(first, greeting_state="failed")
    later = RECEIVED_AT + timedelta(days=1)

    again = acme.capture(phone=PHONE, at=later)

    now = lead_for_greeting(organization_id=acme.organization.id, lead_id=first.lead_id)
    assert (now.asked_at, now.received_at, now.greeting_state) == (later, RECEIVED_AT, "pending")
    assert again.first_message_due_at == now.first_message_due_at == later + timedelta(seconds=2)
    assert (before.obligation_key, now.obligation_key) == (
        f"greeting:{first.lead_id}", f"greeting:{first.lead_id}:2",
    )  # fmt: skip


def test_an_opted_out_person_is_captured_and_not_greeted_again(acme) -> None:
    first = acme.capture(phone=PHONE)
    with transaction.atomic():
        consent.opt_out(
            organization_id=acme.organization.id, contact_id=first.contact_id, channel_kind="twilio_sms",
            source="stop_word", evidence={"word": "STOP"}, at=RECEIVED_AT,
        )  # fmt: skip

    again = acme.capture(phone=PHONE, at=RECEIVED_AT + timedelta(days=1))

    assert again.is_duplicate
    assert not again.greets_again


def test_a_suppressed_identity_opts_a_new_contact_out(acme) -> None:
    first = acme.capture(phone=PHONE)
    with transaction.atomic():
        consent.opt_out(
            organization_id=acme.organization.id, contact_id=first.contact_id, channel_kind=None, source="admin",
            evidence={}, at=RECEIVED_AT,
        )  # fmt: skip
    assert Suppression.objects.count() == 1
    Event.objects.all().delete()
    Touch.objects.all().delete()
    Lead.objects.all().delete()
    Contact.objects.all().delete()

    again = acme.capture(phone=PHONE)

    assert lead_for_greeting(organization_id=acme.organization.id, lead_id=again.lead_id).refusal == "opted_out"


def test_consent_that_is_needed_and_missing_refuses_and_writes_nothing(acme) -> None:
    with pytest.raises(InvalidSubmission) as refused:
        acme.capture(phone=PHONE, source="landing")

    assert refused.value.field == "consent"
    assert acme.counts() == NOTHING


def test_given_consent_is_in_the_ledger_with_its_evidence(acme) -> None:
    captured = acme.capture(
        phone=PHONE, source="landing", consent=Consent(is_given=True, evidence={"version": "2026-11"})
    )

    record = ConsentRecord.objects.get()
    assert (record.contact_id, record.status, record.source) == (captured.contact_id, "granted", "landing")
    assert record.evidence == {"version": "2026-11"}


def test_a_refused_consent_is_captured_but_not_messaged_until_it_is_given(acme) -> None:
    first = acme.capture(phone=PHONE, consent=Consent(is_given=False))
    before = lead_for_greeting(organization_id=acme.organization.id, lead_id=first.lead_id)
    set_greeting(first, greeting_state="suppressed", greeting_reason="no_consent")

    silent = acme.capture(phone=PHONE)
    willing = acme.capture(phone=PHONE, consent=Consent(is_given=True))

    assert before.refusal == "no_consent"
    assert (silent.greets_again, willing.greets_again) == (False, True)
    assert lead_for_greeting(organization_id=acme.organization.id, lead_id=first.lead_id).refusal is None


def test_spam_is_quarantined_without_a_greeting_and_does_not_hide_a_real_lead(acme) -> None:
    spam = acme.capture(phone=PHONE, email="bot@example.com", is_spam=True)
    real = acme.capture(phone=PHONE)

    lead = Lead.objects.get(pk=spam.lead_id)
    assert (lead.status, lead.greeting_state, lead.greeting_reason) == ("spam", "suppressed", "spam")
    assert not real.is_duplicate
    assert Job.objects.filter(kind="greet_lead").count() == 1
    assert Identity.objects.count() == 1


def test_an_unknown_source_and_another_organizations_source_are_refused(acme) -> None:
    make_source(make_setup().organization.id, key="theirs")

    for key in ("nobody", "theirs"):
        with pytest.raises(InvalidSubmission, match="source"):
            acme.capture(phone=PHONE, source=key)
    assert acme.counts() == NOTHING


def test_two_organizations_do_not_share_a_person(acme) -> None:
    other = make_setup()

    assert not acme.capture(phone=PHONE).is_duplicate
    assert not other.capture(phone=PHONE).is_duplicate
    assert acme.counts()["contacts"] == other.counts()["contacts"] == 1


def test_greeting_states_only_move_forward(acme) -> None:
    captured = acme.capture(phone=PHONE)
    ids = {"organization_id": acme.organization.id, "lead_id": captured.lead_id, "at": RECEIVED_AT}

    assert mark_greeting(state="unresolved", channel="wa", **ids)
    assert not mark_greeting(state="suppressed", reason="too_old", **ids)
    assert mark_greeting(state="greeted", channel="sms", **ids)
    assert not mark_greeting(state="failed", channel="wa", reason="131026", **ids)
    assert Lead.objects.get().status == "contacted"
    assert mark_greeting(state="failed", channel="sms", reason="30003", **ids)
    assert mark_greeting(state="greeted", channel="wa", **ids)
    assert mark_replied(**ids)
    assert not mark_replied(**ids)
    lead = Lead.objects.get()
    assert (lead.greeting_state, lead.greeting_channel, lead.status) == ("greeted", "wa", "replied")
