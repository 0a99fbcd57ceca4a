"""One message per obligation and channel, and the next channel when the first one can't: against the sandbox."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from channels_out import senders
from channels_out.models import Attempt, Channel, ContactWindow, Message, Unreachable
from channels_out.services import advancing
from leads import consent
from leads.models import Lead
from sandbox.process import running_sandbox
from tests.integration.delivery_ground import make_ground

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture
def ground(sandbox, transactional_db):
    sandbox.reset()
    return make_ground(sandbox)


def states(message_id):
    attempts = Attempt.objects.filter(message_id=message_id).order_by("number")
    return [(attempt.channel.name, attempt.state) for attempt in attempts.select_related("channel")]


def test_a_greeting_is_sent_once_as_the_template_and_stored_as_it_was_sent(ground):
    lead = ground.lead()

    delivered = ground.deliver(lead)

    message = Message.objects.get(pk=delivered.message_id)
    assert (delivered.state, delivered.channel_name) == ("accepted", "wa-main")
    assert (message.status, message.text_source) == ("accepted", "model")
    assert message.text == "Hi Kim, thank you for your enquiry. When suits you? Reply here."
    entry = ground.sandbox.ledger(provider="whatsapp", kind="message")[-1]
    assert (entry["text"], entry["template"]) == (message.text, "lead_hello")
    assert entry["opaque"] == Attempt.objects.get(message=message).id.hex
    lead.refresh_from_db()
    assert (lead.greeting_state, lead.greeting_channel, lead.status) == ("greeted", "wa-main", "contacted")
    assert ground.events(lead) == ["message.accepted"]


def test_the_same_obligation_again_changes_nothing(ground):
    lead = ground.lead()
    first = ground.deliver(lead)

    again = ground.deliver(lead, text="Other words")

    assert (again.message_id, again.state) == (first.message_id, "accepted")
    assert Message.objects.count() == 1
    assert ground.sent(lead, "whatsapp") == 1
    assert ground.events(lead) == ["message.accepted"]


def test_a_person_without_whatsapp_gets_an_sms_at_once_and_is_remembered(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="error", error_code=131026)

    delivered = ground.deliver(lead)

    assert states(delivered.message_id) == [("wa-main", "refused"), ("sms-main", "accepted")]
    assert Unreachable.objects.get(contact=lead.contact_id).code == "131026"
    lead.refresh_from_db()
    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert ground.events(lead) == ["message.failed", "message.accepted"]

    second = ground.deliver(lead, obligation="note", obligation_key="note:1")

    assert states(second.message_id) == [("sms-main", "accepted")]


def test_a_provider_that_accepts_and_hangs_is_waited_for_and_then_the_next_channel_is_taken_once(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="drop", statuses=[])

    delivered = ground.deliver(lead, unknown_wait_s=0.05)

    assert delivered.state == "sending"
    assert states(delivered.message_id) == [("wa-main", "unknown")]
    assert ground.jobs("settle_message").count() == 1

    connection.cursor().execute("SELECT pg_sleep(0.1)")
    settled = advancing.advance(organization_id=ground.organization.id, message_id=delivered.message_id)

    assert settled.state == "accepted"
    assert states(delivered.message_id) == [("wa-main", "unknown"), ("sms-main", "accepted")]
    assert (ground.sent(lead, "whatsapp"), ground.sent(lead, "twilio")) == (1, 1)


def test_unknown_on_the_last_channel_waits_for_a_person(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("twilio", to=lead.phone, fault="drop", statuses=[])

    delivered = ground.deliver(lead, channel_names=("sms-main",), unknown_wait_s=0.01)
    connection.cursor().execute("SELECT pg_sleep(0.05)")
    settled = advancing.advance(organization_id=ground.organization.id, message_id=delivered.message_id)

    assert (settled.state, settled.reason) == ("unresolved", "unknown_outcome")
    assert ground.sent(lead, "twilio") == 1
    assert "message.unresolved" in ground.events(lead)
    assert Lead.objects.get(pk=lead.pk).greeting_state == "unresolved"


@pytest.mark.parametrize(
    ("columns", "opted_out", "age_s", "reason"),
    [
        ({}, True, 0, "opted_out"),
        ({"status": "spam"}, False, 0, "spam"),
        ({"consent": "refused"}, False, 0, "no_consent"),
        ({}, False, 3600, "too_late"),
    ],
)
def test_nothing_is_sent_to_whom_nothing_may_be_sent(ground, columns, opted_out, age_s, reason):
    lead = ground.lead(**columns)
    if opted_out:
        with transaction.atomic():
            consent.opt_out(
                organization_id=ground.organization.id, contact_id=lead.contact_id, channel_kind=None, source="test",
                evidence={}, at=datetime.now(UTC),
            )  # fmt: skip

    delivered = ground.deliver(lead, received_at=datetime.now(UTC) - timedelta(seconds=age_s))

    assert (delivered.state, delivered.reason) == ("suppressed", reason)
    assert ground.sandbox.ledger(to=lead.phone) == []
    assert Attempt.objects.count() == 0
    lead.refresh_from_db()
    assert (lead.greeting_state, lead.greeting_reason) == ("suppressed", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"phone": None}, "no_phone"),
        ({"channel_names": ()}, "no_channel"),
        ({"channel_names": ("nope",)}, "unknown_channel"),
    ],
)
def test_without_a_way_the_message_is_suppressed_with_the_reason(ground, changes, reason):
    lead = ground.lead()

    delivered = ground.deliver(lead, **changes)

    assert (delivered.state, delivered.reason) == ("suppressed", reason)
    assert ground.events(lead) == ["message.suppressed"]


def test_a_marketing_template_to_north_america_starts_with_the_next_channel(ground):
    ground.template.category = "marketing"
    ground.template.save()
    senders.forget()
    lead = ground.lead(phone="+12025550143")

    delivered = ground.deliver(lead)

    assert states(delivered.message_id) == [("sms-main", "accepted")]


def test_inside_the_window_free_text_is_sent(ground):
    lead = ground.lead()
    ContactWindow.objects.create(
        organization=ground.organization, channel=ground.whatsapp, contact=lead.contact,
        last_inbound_at=datetime.now(UTC) - timedelta(hours=1),
    )  # fmt: skip
    ground.sandbox.add_rule("whatsapp", to=lead.phone, window="open")

    delivered = ground.deliver(lead)

    assert delivered.state == "accepted"
    assert ground.sandbox.ledger(provider="whatsapp", to=lead.phone)[-1]["template"] is None


def test_a_window_that_closed_is_answered_with_the_template_on_the_same_channel(ground):
    lead = ground.lead()
    ContactWindow.objects.create(
        organization=ground.organization,
        channel=ground.whatsapp,
        contact=lead.contact,
        last_inbound_at=datetime.now(UTC),
    )
    ground.sandbox.add_rule("whatsapp", to=lead.phone, times=1, fault="error", error_code=131047)

    delivered = ground.deliver(lead)

    assert states(delivered.message_id) == [("wa-main", "refused"), ("wa-main", "accepted")]


def test_an_expired_token_takes_the_number_out_for_everybody(ground):
    ground.sandbox.set_dials("whatsapp", ground.whatsapp.settings["phone_number_id"], fault="error", error_code=190)

    first, second = ground.lead(), ground.lead()

    assert states(ground.deliver(first).message_id) == [("wa-main", "refused"), ("sms-main", "accepted")]
    assert states(ground.deliver(second).message_id) == [("sms-main", "accepted")]
    assert Channel.objects.get(pk=ground.whatsapp.pk).paused_reason == "token_expired"


def test_a_sender_without_a_token_left_is_passed_over_and_all_of_them_postpone(ground):
    Channel.objects.filter(organization=ground.organization).update(messages_per_second=1)
    senders.forget()
    leads = [ground.lead() for _ in range(3)]

    results = [ground.deliver(lead) for lead in leads]

    assert [result.state for result in results] == ["accepted", "accepted", "planned"]
    assert [result.channel_name for result in results[:2]] == ["wa-main", "sms-main"]
    assert ground.jobs("deliver_next").count() == 1
    kept = Message.objects.get(pk=results[2].message_id)
    assert (kept.status, kept.text.startswith("Hi Kim")) == ("planned", True)

    Channel.objects.filter(organization=ground.organization).update(messages_per_second=1000)
    senders.forget()
    connection.cursor().execute("SELECT pg_sleep(1)")
    going_on = advancing.advance(organization_id=ground.organization.id, message_id=kept.id)

    assert going_on.state == "accepted"


def test_an_attempt_whose_process_died_is_unknown_and_never_made_again(ground):
    lead = ground.lead()
    delivered = ground.deliver(lead)
    Attempt.objects.filter(message=delivered.message_id).update(
        state="sending", deadline_at=datetime.now(UTC) - timedelta(seconds=1), provider_id=None
    )
    Message.objects.filter(pk=delivered.message_id).update(status="sending", accepted_at=None)

    again = ground.deliver(lead, unknown_wait_s=20)

    assert again.state == "sending"
    assert states(delivered.message_id) == [("wa-main", "unknown")]
    assert (ground.sent(lead, "whatsapp"), ground.sent(lead, "twilio")) == (1, 0)
    assert ground.jobs("settle_message").count() == 1


def test_an_opt_out_reported_by_the_provider_ends_it_without_another_channel(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="error", error_code=131050)

    delivered = ground.deliver(lead)

    assert (delivered.state, delivered.reason) == ("suppressed", "opted_out")
    assert states(delivered.message_id) == [("wa-main", "refused")]
    lead.contact.refresh_from_db()
    assert lead.contact.opted_out_at is not None
    assert ground.sent(lead, "twilio") == 0


def test_every_channel_refusing_is_a_failure_with_the_last_reason(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="error", error_code=131026)
    ground.sandbox.add_rule("twilio", to=lead.phone, fault="error", error_code=21614)

    delivered = ground.deliver(lead)

    assert (delivered.state, delivered.reason) == ("failed", "every_channel_failed")
    message = Message.objects.get(pk=delivered.message_id)
    assert (message.status, message.failure_code, message.failure_reason) == ("failed", "21614", "not_a_mobile_number")
    assert Lead.objects.get(pk=lead.pk).greeting_state == "failed"
