"""A person's answer: one thread, a lead that replied, and nothing more however often it is told."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

import swiftex.subscriptions  # noqa: F401 - an answer starts its jobs here as in every process
from accounts.services import issue_api_key
from channels_out.models import Message
from channels_out.payloads.news import Heard
from channels_out.senders import senders_of
from channels_out.services.inbound import record_inbound
from channels_out.threads import thread_of
from conversations.api.serializers import ConversationSerializer
from conversations.models import Conversation
from conversations.services.inbound import thread_message
from conversations.services.threads import open_conversation
from leads.models import Contact
from routing import running
from routing.jobs import kind_named
from routing.models import Job
from sandbox.process import running_sandbox
from swiftex.ids import public_id
from tests.integration.delivery_ground import make_ground

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def servers():
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def ground(servers, transactional_db):
    servers.reset()
    return make_ground(servers)


def hear(ground, phone, text, *, provider_id, at=None):
    """The person writes; stored as the callback's own transaction does it."""
    sender = senders_of(ground.organization.pk).by_name["wa-main"]
    heard = Heard(sender_id="", provider_id=provider_id, phone=phone, text=text, at=at)
    with transaction.atomic():
        return record_inbound(sender=sender, heard=heard, now=datetime.now(UTC))


def run_threading(ground):
    for job in Job.objects.filter(organization=ground.organization, kind="thread_message", state="waiting"):
        Job.objects.filter(pk=job.pk).update(state="dispatched", available_at=job.created_at)
        running.run_job(
            kind_named("thread_message"),
            job_id=job.pk,
            organization_id=job.organization_id,
            generation=job.generation,
            send_again=lambda _: None,
        )


def test_an_answer_joins_the_open_conversation_and_the_lead_has_replied(ground):
    lead = ground.lead()
    conversation_id = open_conversation(
        organization_id=ground.organization.pk, contact_id=lead.contact_id, lead_id=lead.pk
    )
    ground.deliver(lead, conversation_id=conversation_id)

    heard = hear(ground, lead.phone, "Yes please, call me", provider_id="wamid.1")
    run_threading(ground)

    message = Message.objects.get(pk=heard.message_id)
    conversation = Conversation.objects.get(organization=ground.organization)
    lead.refresh_from_db()
    assert message.conversation_id == conversation.pk == conversation_id
    assert conversation.last_inbound_at == message.received_at
    assert (lead.status, lead.replied_at) == ("replied", message.received_at)
    assert not Job.objects.filter(kind="thread_message").exists()
    thread = thread_of(organization_id=ground.organization.pk, conversation_id=conversation.pk)
    assert [(one.is_inbound, one.status) for one in thread] == [(False, "accepted"), (True, "received")]
    assert [attempt.state for attempt in thread[0].attempts] == ["accepted"]


def test_a_stranger_gets_a_conversation_of_their_own(ground):
    heard = hear(ground, "+919000000001", "Hello, do you do car loans?", provider_id="wamid.2")

    run_threading(ground)

    conversation = Conversation.objects.get(organization=ground.organization)
    assert Message.objects.get(pk=heard.message_id).conversation_id == conversation.pk
    assert conversation.contact_id == heard.contact_id
    assert conversation.lead_id is None


def test_threading_twice_changes_nothing(ground):
    lead = ground.lead()
    heard = hear(ground, lead.phone, "Yes", provider_id="wamid.3")
    run_threading(ground)
    before = list(Conversation.objects.values())
    lead.refresh_from_db()
    replied_at = lead.replied_at

    thread_message(organization_id=ground.organization.pk, message_id=heard.message_id)

    lead.refresh_from_db()
    assert list(Conversation.objects.values()) == before
    assert lead.replied_at == replied_at


def test_a_stop_is_threaded_and_is_no_reply(ground):
    lead = ground.lead()

    hear(ground, lead.phone, "STOP", provider_id="wamid.4")
    run_threading(ground)

    lead.refresh_from_db()
    assert lead.replied_at is None
    assert Message.objects.get(direction="in").conversation_id is not None
    assert Contact.objects.get(pk=lead.contact_id).opted_out_at is not None


def test_answers_that_come_out_of_order_keep_the_latest_moment(ground):
    lead = ground.lead()
    now = datetime.now(UTC)

    hear(ground, lead.phone, "Second", provider_id="wamid.6", at=now - timedelta(seconds=5))
    hear(ground, lead.phone, "First", provider_id="wamid.5", at=now - timedelta(seconds=60))
    run_threading(ground)

    conversation = Conversation.objects.get(organization=ground.organization)
    assert conversation.last_inbound_at == now - timedelta(seconds=5)
    thread = thread_of(organization_id=ground.organization.pk, conversation_id=conversation.pk)
    assert [one.text for one in thread] == ["First", "Second"]


def test_a_message_of_another_organization_is_not_found(ground, other_organization):
    lead = ground.lead()
    heard = hear(ground, lead.phone, "Yes", provider_id="wamid.7")

    thread_message(organization_id=other_organization.pk, message_id=heard.message_id)

    assert Conversation.objects.count() == 0


def test_a_conversation_with_another_organizations_contact_is_refused_by_the_database(ground, other_organization):
    lead = ground.lead()

    with pytest.raises(IntegrityError):
        open_conversation(organization_id=other_organization.pk, contact_id=lead.contact_id, lead_id=None)


def test_a_contact_has_one_open_conversation_and_any_number_of_closed_ones(ground):
    lead = ground.lead()
    first = open_conversation(organization_id=ground.organization.pk, contact_id=lead.contact_id, lead_id=lead.pk)
    again = open_conversation(organization_id=ground.organization.pk, contact_id=lead.contact_id, lead_id=None)
    assert again == first
    Conversation.objects.filter(pk=first).update(state="closed")

    second = open_conversation(organization_id=ground.organization.pk, contact_id=lead.contact_id, lead_id=None)

    assert second != first
    with pytest.raises(IntegrityError):
        Conversation.objects.filter(pk=first).update(state="open")


def test_the_api_lists_threads_and_shows_one(ground):
    lead = ground.lead()
    hear(ground, lead.phone, "hello", provider_id="wamid.A")
    run_threading(ground)
    key = issue_api_key(
        organization_id=ground.organization.pk, name="r", scopes=["conversations:read"], actor="command:test"
    )
    client = Client(headers={"Authorization": f"Bearer {key.text}"})

    page = client.get("/api/v1/conversations", {"lead_id": public_id("lead", lead.pk), "state": "open"}).json()

    (shown,) = page["data"]
    assert (page["next"], shown["state"], shown["lead_id"]) == (None, "open", public_id("lead", lead.pk))
    assert set(shown) == set(ConversationSerializer().fields)
    assert client.get(f"/api/v1/conversations/{shown['id']}").json() == shown
    said = client.get(urlsplit(shown["messages_url"])._replace(scheme="", netloc="").geturl()).json()
    assert [message["text"] for message in said["data"]] == ["hello"]
    assert client.get("/api/v1/conversations", {"state": "closed"}).json()["data"] == []
    assert client.get("/api/v1/conversations", {"state": "odd"}).status_code == 400
    assert client.get("/api/v1/conversations/cnv_zzz").status_code == 404
