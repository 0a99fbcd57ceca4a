"""P7: nobody who said stop is messaged again, on any channel, whatever was already queued."""

import pytest

from leads.models import Contact
from routing.models import JobHistory
from tests.acceptance.shop import somebody, until


@pytest.mark.parametrize("channel", ["whatsapp", "twilio"])
def test_stop_between_queueing_and_sending_stops_what_was_queued(shop, stack, channel):
    person = somebody()
    shop.dial("whatsapp", statuses=[])
    shop.ended(shop.submit(person))
    stack.stop_process("worker-greeting")
    queued = shop.submit(person, source="again")

    shop.writes(person, "STOP", by=channel)
    stack.start_process("worker-greeting")
    stack.wait_until_ready()
    probe = somebody()
    shop.ended(shop.submit(probe))

    lead = shop.leads.get(pk=queued.id)
    assert (lead.greeting_state, lead.greeting_reason) == ("suppressed", "opted_out")
    ended = JobHistory.objects.filter(organization_id=shop.organization_id, correlation_id=lead.id, kind="greet_lead")
    assert list(ended.values_list("state", flat=True)) == ["cancelled"]
    assert [fact["reason"] for fact in shop.events("message.suppressed", lead)] == ["opted_out"]
    assert shop.received(person) == {"whatsapp": 1}
    assert shop.received(probe) == {"whatsapp": 1}


def test_stop_while_the_model_is_writing_stops_the_message(shop):
    person = somebody()
    shop.ended(shop.submit(person))
    shop.dial("openai", median_ms=900)
    lead = shop.submit(person, source="again")
    until(lambda: len(shop.requests_to("openai")) == 2, what="the question to the model")

    shop.writes(person, "stop")

    until(lambda: shop.is_drained("greet_lead"), what="the end of the greeting")
    ended = shop.leads.get(pk=lead.id)
    assert (ended.greeting_state, ended.greeting_reason) == ("suppressed", "opted_out")
    assert shop.received(person) == {"whatsapp": 1}


def test_stop_while_an_unknown_outcome_is_waited_for_stops_the_next_channel(new_shop):
    shop, person = new_shop(greeting={"unknown_wait_s": 2}), somebody()
    shop.dial("whatsapp", fault="drop", statuses=[])
    lead = shop.submit(person)
    until(lambda: shop.attempts(lead) == [("wa-main", "unknown")], what="the unknown outcome")

    shop.writes(person, "Stop")

    until(shop.is_drained, what="the end of the obligation")
    assert shop.received(person) == {"whatsapp": 1}
    assert shop.leads.get(pk=lead.id).greeting_state != "pending"
    assert shop.requests_to("twilio", person) == []


@pytest.mark.parametrize(("said_on", "other"), [("whatsapp", "twilio"), ("twilio", "whatsapp")])
def test_stop_on_one_channel_stops_the_others_and_start_opens_them_again(shop, said_on, other):
    person = somebody()
    first = shop.ended(shop.submit(person))
    before = shop.received(person)

    shop.writes(person, "STOP", by=said_on)
    second = shop.ended(shop.submit(person, source="again"))

    assert first.greeting_state == "greeted"
    assert (second.greeting_state, second.greeting_reason) == ("suppressed", "opted_out")
    assert shop.received(person) == before

    shop.writes(person, "START", by=other)
    third = shop.ended(shop.submit(person, source="again"))

    assert third.greeting_state == "greeted"
    assert sum(shop.received(person).values()) == 2


def test_a_new_source_or_spelling_of_the_same_person_is_no_way_around_stop(shop):
    person = somebody()
    shop.ended(shop.submit(person))
    shop.writes(person, "STOP")

    national = f"0{person.digits[2:7]} {person.digits[7:]}"
    by_phone = shop.ended(shop.submit(person, source="again", phone=national, email=None))
    by_email = shop.ended(shop.submit(person, source="again", phone=somebody().phone))

    assert [lead.greeting_reason for lead in (by_phone, by_email)] == ["opted_out", "opted_out"]
    assert shop.deliveries() == {person.digits: {"whatsapp": 1}}


WORDS = ["STOP", "stop", " Stop. ", "S T O P!!!", "Unsubscribe", "opt-out", "Arrêt", "ALTO", "बंद करो", "停止", "СТОП"]


def test_words_that_stop_and_words_that_do_not(shop):
    stopping = {word: somebody() for word in WORDS}
    going_on = {
        text: somebody() for text in ["Please stop by tomorrow", "Don't stop", "yes", "Can you end my old loan?", "👍"]
    }
    for person in [*stopping.values(), *going_on.values()]:
        shop.submit(person)

    for text, person in [*stopping.items(), *going_on.items()]:
        shop.writes(person, text)

    out = Contact.objects.filter(organization_id=shop.organization_id, opted_out_at__isnull=False)
    assert set(out.values_list("phone", flat=True)) == {person.phone for person in stopping.values()}


def test_a_button_of_the_template_stops_as_well(shop):
    person = somebody()
    shop.ended(shop.submit(person))

    button = {"text": "Stop promotions", "payload": "Stop promotions"}
    shop.sandbox.whatsapp_inbound(shop.number, person.phone, button=button)

    assert Contact.objects.get(organization_id=shop.organization_id, phone=person.phone).opted_out_at is not None


def test_a_stop_that_somebody_else_signed_changes_nothing(shop):
    person = somebody()
    shop.submit(person)

    (post,) = shop.sandbox.whatsapp_inbound(shop.number, person.phone, "STOP", signature="wrong")

    assert post["status"] == 401
    assert Contact.objects.get(organization_id=shop.organization_id, phone=person.phone).opted_out_at is None


def test_a_provider_that_says_the_person_opted_out_is_believed(shop):
    person = somebody()
    shop.rule("whatsapp", person, fault="error", error_code=131026)
    shop.rule("twilio", person, fault="error", error_code=21610)

    lead = shop.ended(shop.submit(person))

    assert (lead.greeting_state, lead.greeting_reason) == ("suppressed", "opted_out")
    assert Contact.objects.get(organization_id=shop.organization_id, phone=person.phone).opted_out_at is not None
