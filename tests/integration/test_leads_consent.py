from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from leads import consent, handling
from leads.models import ConsentRecord, Contact, Lead, Suppression
from leads.selectors import contact_by_identity, lead_for_greeting
from leads.suppression import hash_of, hashes_of
from routing.models import Event, Job
from tests.integration.leads_setup import RECEIVED_AT, Setup, make_setup

PHONE = "+919876543210"


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


def say(acme: Setup, change, contact_id, **values) -> bool:
    said = {"channel_kind": "whatsapp_cloud", "source": "stop_word", "evidence": {"word": "STOP"}, "at": RECEIVED_AT}
    with transaction.atomic():
        return change(organization_id=acme.organization.id, contact_id=contact_id, **said | values)


def refusal(acme: Setup, captured) -> str | None:
    return consent.sending_refusal(
        organization_id=acme.organization.id, contact_id=captured.contact_id, lead_id=captured.lead_id
    )


def test_a_stop_holds_everywhere_and_calls_off_what_is_queued(acme) -> None:
    captured = acme.capture(phone=PHONE, email="ann@example.com")
    assert refusal(acme, captured) is None

    assert say(acme, consent.opt_out, captured.contact_id)

    assert refusal(acme, captured) == "opted_out"
    assert lead_for_greeting(organization_id=acme.organization.id, lead_id=captured.lead_id).is_opted_out
    contact = Contact.objects.get()
    assert (contact.opted_out_at, contact.opt_out_source) == (RECEIVED_AT, "stop_word")
    assert set(Suppression.objects.values_list("kind", flat=True)) == {"phone", "email"}
    assert PHONE not in str(list(Suppression.objects.values()))
    assert not Job.objects.filter(kind="greet_lead").exists()
    assert Job.objects.filter(kind="sync_lead").exists()
    lead = Lead.objects.get()
    assert (lead.greeting_state, lead.greeting_reason) == ("suppressed", "opted_out")
    events = list(Event.objects.order_by("pk").values_list("type", flat=True))
    assert events == ["lead.created", "contact.opted_out", "message.suppressed"]
    assert ConsentRecord.objects.get().evidence == {"word": "STOP"}


def test_a_second_stop_only_adds_to_the_ledger(acme) -> None:
    captured = acme.capture(phone=PHONE)
    say(acme, consent.opt_out, captured.contact_id)

    assert not say(acme, consent.opt_out, captured.contact_id, at=RECEIVED_AT + timedelta(days=1))

    assert Contact.objects.get().opted_out_at == RECEIVED_AT
    assert ConsentRecord.objects.count() == 2
    assert Event.objects.filter(type="contact.opted_out").count() == 1


def test_a_start_lifts_it_and_what_was_called_off_stays_off(acme) -> None:
    captured = acme.capture(phone=PHONE)
    assert not say(acme, consent.opt_in, captured.contact_id)
    say(acme, consent.opt_out, captured.contact_id)

    assert say(acme, consent.opt_in, captured.contact_id, source="start_word")

    assert refusal(acme, captured) is None
    assert not Suppression.objects.exists()
    assert Lead.objects.get().greeting_state == "suppressed"
    assert not Job.objects.filter(kind="greet_lead").exists()
    assert list(ConsentRecord.objects.order_by("pk").values_list("status", flat=True)) == [
        "granted", "revoked", "granted",
    ]  # fmt: skip


def test_a_suppressed_identity_added_later_opts_the_contact_out(acme) -> None:
    gone = acme.capture(phone=PHONE)
    say(acme, consent.opt_out, gone.contact_id)
    Event.objects.all().delete()
    Lead.objects.all().delete()
    Contact.objects.all().delete()
    fresh = acme.capture(email="ann@example.com")
    assert refusal(acme, fresh) is None

    acme.capture(email="ann@example.com", phone=PHONE)

    assert refusal(acme, fresh) == "opted_out"


def test_an_opt_out_of_one_organization_is_not_anothers(acme) -> None:
    other = make_setup()
    mine, theirs = acme.capture(phone=PHONE), other.capture(phone=PHONE)

    say(acme, consent.opt_out, mine.contact_id)

    assert refusal(other, theirs) is None
    with pytest.raises(consent.UnknownContact):
        say(other, consent.opt_out, mine.contact_id)


def test_a_contact_that_is_gone_refuses(acme) -> None:
    captured = acme.capture(phone=PHONE)
    ids = {"organization_id": make_setup().organization.id, "contact_id": captured.contact_id}

    assert consent.sending_refusal(**ids) == "gone"
    assert consent.sending_refusal(**ids, lead_id=captured.lead_id) == "gone"


def test_the_ledger_cannot_be_rewritten(acme) -> None:
    captured = acme.capture(phone=PHONE)
    say(acme, consent.opt_out, captured.contact_id)

    with pytest.raises(IntegrityError), transaction.atomic():
        ConsentRecord.objects.update(status="granted")


def test_stop_and_resubmission_at_once_end_opted_out_without_a_greeting(acme) -> None:
    captured = acme.capture(phone=PHONE)
    Lead.objects.update(greeting_state="failed")
    Job.objects.all().delete()

    def run(number: int) -> None:
        try:
            if number == 3:
                say(acme, consent.opt_out, captured.contact_id)
            else:
                acme.capture(phone=PHONE, at=RECEIVED_AT + timedelta(seconds=number))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))

    assert refusal(acme, captured) == "opted_out"
    assert not Job.objects.filter(kind="greet_lead").exists()
    assert Lead.objects.get().greeting_state in ("failed", "suppressed")


def test_a_person_opted_out_is_not_greeted_by_hand_either(acme) -> None:
    captured = acme.capture(phone=PHONE)
    say(acme, consent.opt_out, captured.contact_id)

    with pytest.raises(handling.CannotGreet, match="opted out"):
        handling.greet_again(organization_id=acme.organization.id, lead_id=captured.lead_id, at=RECEIVED_AT)


def test_a_contact_is_found_by_its_identity(acme) -> None:
    captured = acme.capture(phone=PHONE, name="Ann Lee")
    found = contact_by_identity(organization_id=acme.organization.id, kind="phone", value=PHONE)

    assert (found.id, found.first_name) == (captured.contact_id, "Ann")
    assert contact_by_identity(organization_id=make_setup().organization.id, kind="phone", value=PHONE) is None


def test_hashes_are_keyed_and_outlive_a_change_of_key(acme, settings) -> None:
    organization_id = acme.organization.id
    before = hash_of(organization_id, "phone", PHONE)
    old_key = settings.SECRET_KEY
    assert before != hash_of(make_setup().organization.id, "phone", PHONE)

    settings.SECRET_KEY = "another-key"
    settings.SECRET_KEY_FALLBACKS = [old_key]

    assert hash_of(organization_id, "phone", PHONE) != before
    assert before in hashes_of(organization_id, [("phone", PHONE)])
