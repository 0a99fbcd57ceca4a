"""P5: one person, one contact, one thread, from however many sources; every touch is kept for attribution."""

from concurrent.futures import ThreadPoolExecutor

from conversations.models import Conversation
from leads.models import Contact, Identity, Lead, Touch
from routing.models import Event
from tests.acceptance.shop import assert_reached_once, somebody, until


def test_three_sources_make_one_contact_and_one_conversation(shop):
    person = somebody()

    first = shop.submit(person, email=None, source="website", campaign="autumn")
    shop.submit(person, expect=200, source="partner", campaign="search")
    shop.submit(person, expect=200, phone=None, source="newsletter", campaign="mail")
    shop.ended(first)

    owned = {"organization_id": shop.organization_id}
    contact = Contact.objects.get(**owned)
    assert (contact.phone, contact.email) == (person.phone, person.email)
    assert Lead.objects.filter(**owned).count() == 1
    assert Conversation.objects.filter(**owned).count() == 1
    assert set(Identity.objects.filter(**owned).values_list("kind", "contact_id")) == {
        ("phone", contact.id),
        ("email", contact.id),
    }
    touches = Touch.objects.filter(**owned).order_by("received_at")
    assert list(touches.values_list("source__key", "campaign", "lead_id")) == [
        ("website", "autumn", first.id),
        ("partner", "search", first.id),
        ("newsletter", "mail", first.id),
    ]
    assert shop.received(person) == {"whatsapp": 1}


def test_ten_copies_at_once_from_two_sources_make_one_of_everything(shop):
    person = somebody()

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda n: shop.post(shop.body(person, source=("website", "partner")[n % 2])), range(10))
        )
    shop.all_ended(1)

    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    owned = {"organization_id": shop.organization_id}
    assert Contact.objects.filter(**owned).count() == 1
    assert Lead.objects.filter(**owned).count() == 1
    assert Conversation.objects.filter(**owned).count() == 1
    assert Touch.objects.filter(**owned).count() == 10
    assert Event.objects.filter(**owned, type="lead.created").count() == 1
    assert Event.objects.filter(**owned, type="lead.resubmitted").count() == 9
    assert_reached_once(shop, [person])
    assert len(shop.messages()) == 1


def test_answers_on_two_channels_join_the_same_conversation(shop):
    person = somebody()
    lead = shop.submit(person)
    shop.ended(lead)

    shop.writes(person, "Tomorrow at ten, please")
    shop.writes(person, "Or call me at eleven", by="twilio")

    until(lambda: len([m for m in shop.messages(direction="in") if m.conversation_id]) == 2, what="threading")
    conversation = Conversation.objects.get(organization_id=shop.organization_id)
    assert {message.conversation_id for message in shop.messages(direction="in")} == {conversation.id}
    assert {message.conversation_id for message in shop.messages()} == {conversation.id}
