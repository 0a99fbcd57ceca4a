"""P3: a definite no takes the next channel at once, a later no by receipt too, and each only once."""

import pytest

from channels_out.models import Channel, ReceiptRow
from tests.acceptance.shop import somebody, until


def test_a_number_without_whatsapp_gets_an_sms_at_once(new_shop):
    shop, person = new_shop(greeting={"unknown_wait_s": 600}), somebody()
    shop.rule("whatsapp", person, fault="error", error_code=131026)

    lead = shop.ended(shop.submit(person))

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert shop.attempts(lead) == [("wa-main", "refused"), ("sms-main", "accepted")]
    assert shop.received(person) == {"twilio": 1}
    (message,) = shop.messages(lead)
    assert (message.accepted_at - message.received_at).total_seconds() < 3


@pytest.mark.parametrize("address", ["http://127.0.0.1:9999", "https://no-such-host.invalid"])
def test_a_provider_that_cannot_be_reached_was_not_asked(new_shop, address):
    shop, person = new_shop(greeting={"unknown_wait_s": 600}), somebody()
    channel = Channel.objects.get(organization_id=shop.organization_id, name="wa-main")
    channel.settings["base_url"] = address
    channel.save(update_fields=["settings"])

    lead = shop.ended(shop.submit(person))

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert shop.attempts(lead) == [("wa-main", "refused"), ("sms-main", "accepted")]
    assert shop.received(person) == {"twilio": 1}


def test_when_every_channel_refuses_the_lead_says_so_and_is_greeted_when_the_person_asks_again(shop):
    person = somebody()
    rules = [
        shop.rule("whatsapp", person, fault="error", error_code=132001),
        shop.rule("twilio", person, fault="error", error_code=21606),
    ]

    lead = shop.ended(shop.submit(person))

    assert lead.greeting_state == "failed"
    assert shop.attempts(lead) == [("wa-main", "refused"), ("sms-main", "refused")]
    assert shop.received(person) == {}
    assert [fact["final"] for fact in shop.events("message.failed", lead)] == [False, False, True]

    for rule in rules:
        shop.sandbox.remove_rule(rule)
    again = shop.ended(shop.submit(person, expect=200))

    assert (again.id, again.greeting_state) == (lead.id, "greeted")
    assert shop.received(person) == {"whatsapp": 1}


@pytest.mark.parametrize("copies", [1, 5])
def test_a_failed_receipt_after_a_200_leads_to_one_sms(shop, copies):
    person = somebody()
    shop.rule("whatsapp", person, failed_code=131026, status_copies=copies, status_delay_ms=300)

    lead = shop.submit(person)
    until(lambda: shop.received(person) == {"whatsapp": 1, "twilio": 1}, what="the fallback")
    lead = shop.ended(lead)
    until(shop.is_drained, what="the end of the fallback")

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert shop.attempts(lead) == [("wa-main", "accepted"), ("sms-main", "accepted")]
    assert len(shop.requests_to("twilio", person)) == 1
    failed = ReceiptRow.objects.filter(attempt__message__lead_id=lead.id, status="failed")
    assert failed.count() == 1


def test_a_failed_receipt_before_the_answer_leads_to_one_sms(shop):
    person = somebody()
    shop.rule("whatsapp", person, failed_code=131026, median_ms=600, status_before_answer=True)

    lead = shop.submit(person)
    until(lambda: shop.received(person) == {"whatsapp": 1, "twilio": 1}, what="the fallback")
    lead = shop.ended(lead)
    until(shop.is_drained, what="the end of the fallback")

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert shop.attempts(lead) == [("wa-main", "accepted"), ("sms-main", "accepted")]
    assert len(shop.requests_to("twilio", person)) == 1


@pytest.mark.parametrize("order", ["forward", "reversed", "shuffled"])
def test_receipts_before_the_answer_copied_and_in_any_order_end_the_same(shop, order):
    person = somebody()
    shop.rule(
        "whatsapp", person, median_ms=400, status_before_answer=True, statuses=["sent", "delivered", "read"],
        status_order=order, status_copies=3, status_gap_ms=50,
    )  # fmt: skip

    lead = shop.submit(person)
    until(lambda: [message.status for message in shop.messages(lead)] == ["read"], what="the last receipt")

    lead = shop.ended(lead)
    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "wa-main")
    assert shop.attempts(lead) == [("wa-main", "accepted")]
    assert shop.received(person) == {"whatsapp": 1}
    (message,) = shop.messages(lead)
    assert None not in (message.accepted_at, message.read_at)


def test_a_receipt_with_a_wrong_signature_changes_nothing(shop):
    person = somebody()
    shop.dial("whatsapp", statuses=[])
    lead = shop.ended(shop.submit(person))
    (request,) = shop.requests_to("whatsapp", person)

    (post,) = shop.sandbox.receipt("whatsapp", shop.number, request["id"], "failed", code=131026, signature="wrong")

    assert post["status"] == 401
    assert shop.is_drained()
    assert [message.status for message in shop.messages(lead)] == ["accepted"]
    assert shop.received(person) == {"whatsapp": 1}
