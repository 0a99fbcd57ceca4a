"""P3: at most one message per channel, at least one channel tried, when a provider's answer says neither yes nor no."""

import pytest

from tests.acceptance.shop import somebody, until

# What the provider does, and whether the message went out all the same.
LOST_ANSWERS = {
    "accepts and hangs": ({"fault": "hang", "processes": True}, 1),
    "hangs": ({"fault": "hang"}, 0),
    "drops the connection after processing": ({"fault": "drop"}, 1),
    "resets after processing": ({"fault": "reset_after"}, 1),
    "resets at once": ({"fault": "reset"}, 0),
    "answers 200 with garbage": ({"fault": "garbage"}, 1),
    "breaks off its JSON": ({"fault": "malformed"}, 1),
    "answers 200 with nothing": ({"fault": "empty"}, 1),
    "drips its answer": ({"fault": "drip_body", "drip_interval_ms": 200}, 1),
    "answers 500": ({"fault": "error", "error_status": 500, "processes": True}, 1),
}


def test_after_its_wait_an_unknown_outcome_leads_to_one_sms(new_shop):
    person = somebody()
    shops = {mood: new_shop(greeting={"unknown_wait_s": 1}) for mood in LOST_ANSWERS}
    for mood, shop in shops.items():
        shop.dial("whatsapp", statuses=[], **LOST_ANSWERS[mood][0])

    leads = {mood: shop.submit(person) for mood, shop in shops.items()}
    ends = {mood: shop.ended(leads[mood]) for mood, shop in shops.items()}

    assert {mood: (lead.greeting_state, lead.greeting_channel) for mood, lead in ends.items()} == dict.fromkeys(
        LOST_ANSWERS, ("greeted", "sms-main")
    )
    assert {mood: tuple(shop.attempts(leads[mood])) for mood, shop in shops.items()} == dict.fromkeys(
        LOST_ANSWERS, (("wa-main", "unknown"), ("sms-main", "accepted"))
    )
    assert {mood: len(shop.requests_to("whatsapp")) for mood, shop in shops.items()} == dict.fromkeys(LOST_ANSWERS, 1)
    assert {mood: shop.received(person) for mood, shop in shops.items()} == {
        mood: {"whatsapp": 1, "twilio": 1} if processed else {"twilio": 1}
        for mood, (_, processed) in LOST_ANSWERS.items()
    }
    words = {mood: {sent["text"] for sent in shop.requests_to("twilio")} for mood, shop in shops.items()}
    assert words == {mood: {shop.messages()[0].text} for mood, shop in shops.items()}


@pytest.mark.parametrize("status", ["sent", "delivered"])
def test_a_receipt_in_time_settles_an_unknown_outcome_without_sms(new_shop, status):
    shop, person = new_shop(greeting={"unknown_wait_s": 10}), somebody()
    shop.dial("whatsapp", fault="drop", statuses=[status], status_delay_ms=500)

    lead = shop.ended(shop.submit(person), within_s=8)
    until(shop.is_drained, within_s=8, what="the settling")

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "wa-main")
    assert shop.attempts(lead) == [("wa-main", "accepted")]
    assert shop.received(person) == {"whatsapp": 1}
    (message,) = shop.messages(lead)
    assert message.status == status


def test_a_receipt_that_comes_while_the_provider_hangs_settles_it_as_well(new_shop):
    shop, person = new_shop(greeting={"unknown_wait_s": 10}), somebody()
    shop.dial("whatsapp", fault="hang", processes=True, statuses=["delivered"], status_delay_ms=500)

    lead = shop.ended(shop.submit(person), within_s=8)
    until(shop.is_drained, within_s=12, what="the settling")

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "wa-main")
    assert shop.received(person) == {"whatsapp": 1}
    assert [message.status for message in shop.messages(lead)] == ["delivered"]


def test_a_failing_receipt_of_an_unknown_outcome_takes_the_next_channel_without_waiting(new_shop):
    shop, person = new_shop(greeting={"unknown_wait_s": 30}), somebody()
    shop.dial("whatsapp", fault="drop", failed_code=131026, status_delay_ms=300)

    lead = shop.ended(shop.submit(person), within_s=10)

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert shop.received(person)["twilio"] == 1


def test_two_unknown_outcomes_are_shown_as_unresolved(new_shop):
    shop, person = new_shop(greeting={"unknown_wait_s": 1}), somebody()
    shop.dial("whatsapp", fault="drop", statuses=[])
    shop.dial("twilio", fault="reset_after", statuses=[])

    lead = shop.ended(shop.submit(person))

    assert lead.greeting_state == "unresolved"
    assert shop.attempts(lead) == [("wa-main", "unknown"), ("sms-main", "unknown")]
    assert shop.received(person) == {"whatsapp": 1, "twilio": 1}
    (message,) = shop.messages(lead)
    assert message.status == "unresolved"
    assert [fact["reason"] for fact in shop.events("message.unresolved", lead)] == [message.failure_reason]
    shown = shop.get("/api/v1/leads?greeting_state=unresolved").json()["data"]
    assert [entry["greeting"]["state"] for entry in shown] == ["unresolved"]


def test_a_late_receipt_resolves_what_was_unresolved(new_shop):
    shop, person = new_shop(greeting={"unknown_wait_s": 1, "channels": ["wa-main"]}), somebody()
    shop.dial("whatsapp", fault="drop", statuses=[])
    lead = shop.ended(shop.submit(person))
    (request,) = shop.requests_to("whatsapp", person)

    shop.sandbox.receipt("whatsapp", shop.number, request["id"], "delivered")

    until(lambda: shop.leads.get(pk=lead.id).greeting_state == "greeted", what="the resolution")
    assert lead.greeting_state == "unresolved"
    assert [message.status for message in shop.messages(lead)] == ["delivered"]
    assert shop.received(person) == {"whatsapp": 1}
