"""P2: the first message is on time, however the language model behaves on that day. (How fast: benchmarks.)"""

from datetime import timedelta

import pytest

from tests.acceptance.shop import BODY, FALLBACK, somebody, until

# The budget is 2 s; two busy cores may add a second, a model that is waited for would add far more.
AT_MOST = timedelta(seconds=3)

MOODS = {
    "hangs": {"fault": "hang"},
    "drips its headers": {"fault": "drip_headers", "drip_interval_ms": 100},
    "drips its answer": {"fault": "drip_body", "drip_interval_ms": 100},
    "is slow": {"median_ms": 5000},
    "answers garbage": {"fault": "garbage"},
    "breaks off its JSON": {"fault": "malformed"},
    "answers nothing": {"fault": "empty"},
    "says nothing": {"text": ""},
    "answers 500": {"fault": "error", "error_status": 500},
    "answers 429": {"fault": "error", "error_status": 429, "retry_after_s": 30},
    "drops the connection": {"fault": "drop"},
    "floods": {"fault": "flood"},
    "was cut off": {"text": "We are so happy that you", "finish_reason": "length"},
    "sends a link": {"text": "Look at https://example.org/offer for your loan."},
}
REASONS = {
    "hangs": {"late"},
    "drips its headers": {"late"},
    "drips its answer": {"late"},
    "is slow": {"late"},
    "was cut off": {"cut_off"},
    "says nothing": {"empty"},
    "sends a link": {"link"},
}


def test_a_model_in_time_writes_the_line(shop):
    person = somebody()
    shop.dial("openai", text="Wonderful that you wrote to us. What matters most to you?")

    lead = shop.ended(shop.submit(person))

    (message,) = shop.messages(lead)
    assert (message.text_source, message.text_reason) == ("model", "")
    assert "Wonderful that you wrote to us." in message.text
    assert [sent["text"] for sent in shop.requests_to("whatsapp", person)] == [message.text]


@pytest.mark.parametrize("mood", MOODS)
def test_the_fallback_goes_out_in_time_when_the_model(shop, mood):
    person = somebody()
    shop.dial("openai", **MOODS[mood])

    lead = shop.ended(shop.submit(person))

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "wa-main")
    (message,) = shop.messages(lead)
    assert message.text_source == "fallback"
    assert message.text_reason in REASONS.get(mood, {message.text_reason} - {"", "late"})
    assert message.text == BODY.replace("{{first_name}}", "Asha").replace("{{ai_line}}", FALLBACK)
    assert [sent["text"] for sent in shop.requests_to("whatsapp", person)] == [message.text]
    assert message.accepted_at - message.received_at < AT_MOST
    assert shop.received(person) == {"whatsapp": 1}


def test_thirty_leads_at_once_are_greeted_while_the_model_hangs(shop):
    shop.dial("openai", fault="hang")

    people = shop.submit_many(30)

    assert shop.all_ended(30) == {"greeted": 30}
    assert {message.text_reason for message in shop.messages()} <= {"late", "model_down", "model_busy", "no_time"}
    assert shop.deliveries() == {person.digits: {"whatsapp": 1} for person in people}


def test_a_model_that_is_down_is_left_alone_and_asked_again_when_it_is_back(shop):
    shop.dial("openai", fault="error", error_status=500)
    shop.submit_many(40, at_once=4)
    assert shop.all_ended(40) == {"greeted": 40}
    assert len(shop.requests_to("openai")) < 30
    assert "model_down" in {message.text_reason for message in shop.messages()}

    shop.dial("openai")

    until(lambda: shop.messages(shop.ended(shop.submit()))[0].text_source == "model", what="a line by the model")
