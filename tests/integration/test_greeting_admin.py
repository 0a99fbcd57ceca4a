"""The admin's pages for conversations, the language model and the greeting, as people of several roles see them."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from accounts import services as accounts_services
from accounts.models import AuditEntry, Role
from channels_out.models import Message
from conversations.models import Conversation, GreetingSettings, LlmConnection
from conversations.services.threads import open_conversation
from sandbox.process import running_sandbox
from tests.integration.delivery_ground import make_ground

pytestmark = pytest.mark.django_db(transaction=True)
FALLBACK = "We will be right with you."


@pytest.fixture(scope="module")
def servers():
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def ground(servers, transactional_db):
    servers.reset()
    return make_ground(servers)


@pytest.fixture
def other(servers, ground):
    return make_ground(servers)


def member(organization, role):
    name = f"{organization.slug}-{role}"
    accounts_services.add_member(
        organization_id=organization.pk, username=name, role=role, actor="command:test", password="correct horse"
    )
    client = Client()
    client.force_login(get_user_model().objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return client


def talk(ground):
    lead = ground.lead()
    conversation_id = open_conversation(
        organization_id=ground.organization.pk, contact_id=lead.contact_id, lead_id=lead.pk
    )
    ground.deliver(lead, conversation_id=conversation_id)
    Message.objects.create(
        organization=ground.organization,
        direction="in",
        conversation_id=conversation_id,
        contact_id=lead.contact_id,
        channel=ground.whatsapp,
        text="<script>alert(1)</script> Yes & please",
        status="received",
        provider_id="wamid.1",
        received_at=datetime.now(UTC),
    )
    return conversation_id


def test_a_conversation_shows_both_sides_and_nothing_a_stranger_typed_is_markup(ground):
    conversation_id = talk(ground)
    viewer = member(ground.organization, Role.VIEWER)

    listed = viewer.get("/admin/conversations/conversation/")
    page = viewer.get(f"/admin/conversations/conversation/{conversation_id}/change/")

    assert b"Kim Lee" in listed.content
    assert page.status_code == 200
    html = page.content.decode()
    assert "Hi Kim, thank you for your enquiry. When suits you? Reply here." in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Yes &amp; please" in html
    assert "<script>alert(1)" not in html
    assert html.index('data-direction="out"') < html.index('data-direction="in"')
    assert "written by the model" in html


def test_conversations_are_searched_by_name(ground):
    talk(ground)
    viewer = member(ground.organization, Role.VIEWER)

    assert b"Kim Lee" in viewer.get("/admin/conversations/conversation/?q=kim").content
    assert b"Kim Lee" not in viewer.get("/admin/conversations/conversation/?q=nobody").content


def test_a_conversation_of_another_organization_does_not_exist(ground, other):
    conversation_id = talk(ground)
    stranger = member(other.organization, Role.OWNER)

    page = stranger.get(f"/admin/conversations/conversation/{conversation_id}/change/", follow=True)

    assert b"thank you for your enquiry" not in page.content
    assert b"Kim Lee" not in stranger.get("/admin/conversations/conversation/").content


def test_nobody_edits_what_was_said(ground):
    conversation_id = talk(ground)
    owner = member(ground.organization, Role.OWNER)

    answer = owner.post(f"/admin/conversations/conversation/{conversation_id}/change/", {"state": "closed"})

    assert answer.status_code == 403
    assert Conversation.objects.get().state == "open"


def test_the_models_key_is_taken_and_never_shown(ground):
    manager = member(ground.organization, Role.MANAGER)
    form = {
        "provider": "openai",
        "base_url": ground.sandbox.openai_url,
        "model": "m",
        "timeout_ms": 900,
        "max_tokens_field": "max_tokens",
        "api_key": "sk-very-secret",
    }

    assert manager.post("/admin/conversations/llmconnection/add/", form).status_code == 302
    row = LlmConnection.objects.get()
    page = manager.get(f"/admin/conversations/llmconnection/{row.pk}/change/")

    assert row.credentials == {"api_key": "sk-very-secret"}
    assert b"sk-very-secret" not in page.content
    assert b"Stored. Leave empty to keep it." in page.content

    manager.post(f"/admin/conversations/llmconnection/{row.pk}/change/", {**form, "api_key": "", "timeout_ms": 800})
    row.refresh_from_db()
    assert (row.timeout_ms, row.credentials) == (800, {"api_key": "sk-very-secret"})
    assert "sk-very-secret" not in str(list(AuditEntry.objects.values()))
    assert AuditEntry.objects.filter(action="llm.changed").count() == 1


def test_an_organization_has_one_model_and_an_agent_configures_none(ground):
    LlmConnection.objects.create(organization=ground.organization, provider="scripted")

    assert member(ground.organization, Role.MANAGER).get("/admin/conversations/llmconnection/add/").status_code == 403
    agent = member(ground.organization, Role.AGENT)
    row = LlmConnection.objects.get()
    assert agent.get(f"/admin/conversations/llmconnection/{row.pk}/change/").status_code == 200
    assert agent.post(f"/admin/conversations/llmconnection/{row.pk}/change/", {"provider": "openai"}).status_code == 403


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user:pass@example.com/v1", "not an address"])
def test_a_models_address_that_is_no_public_one_is_refused(ground, url):
    manager = member(ground.organization, Role.MANAGER)

    page = manager.post(
        "/admin/conversations/llmconnection/add/",
        {"provider": "openai", "base_url": url, "model": "m", "timeout_ms": 900, "max_tokens_field": "max_tokens"},
    )

    assert page.status_code == 200
    assert b"The address " in page.content
    assert not LlmConnection.objects.exists()


def test_the_model_can_be_asked_once_from_its_page(ground):
    row = LlmConnection.objects.create(
        organization=ground.organization,
        provider="openai",
        base_url=ground.sandbox.openai_url,
        model="m",
        credentials={"api_key": "sk-test"},
    )
    GreetingSettings.objects.create(organization=ground.organization, channels=["wa-main"], fallback_text=FALLBACK)
    ground.sandbox.set_dials("openai", text="We are glad you wrote and will help you today.")
    manager = member(ground.organization, Role.MANAGER)

    page = manager.get(f"/admin/conversations/llmconnection/{row.pk}/ask-once/", follow=True)

    assert b"We are glad you wrote and will help you today." in page.content
    assert ground.sandbox.accepted() == {}
    viewer = member(ground.organization, Role.VIEWER)
    assert viewer.get(f"/admin/conversations/llmconnection/{row.pk}/ask-once/").status_code == 403


GREETING = {
    "prompt": "One warm sentence.",
    "fallback_text": FALLBACK,
    "language": "English",
    "max_chars": 300,
    "channel_names": "sms-main, wa-main",
    "template": "lead_hello",
    "unknown_wait_s": 20,
    "max_age_s": 1800,
}


def test_the_greeting_is_configured_by_names_that_exist(ground):
    manager = member(ground.organization, Role.MANAGER)

    assert manager.post("/admin/conversations/greetingsettings/add/", GREETING).status_code == 302

    row = GreetingSettings.objects.get()
    assert (row.organization_id, row.channels, row.template) == (
        ground.organization.pk,
        ["sms-main", "wa-main"],
        "lead_hello",
    )
    page = manager.get(f"/admin/conversations/greetingsettings/{row.pk}/change/")
    assert b'value="sms-main, wa-main"' in page.content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channel_names": "wa-main, nowhere"}, b"There is no channel named nowhere."),
        ({"channel_names": "wa-main, wa-main"}, b"A channel is named twice."),
        ({"template": "nothing"}, b"There is no template of this name."),
        ({"fallback_text": "Hi"}, b"Write a sentence."),
        ({"max_age_s": 5}, b"greater than or equal to 60"),
    ],
)
def test_a_greeting_that_could_not_be_sent_is_refused(ground, change, said):
    manager = member(ground.organization, Role.MANAGER)

    page = manager.post("/admin/conversations/greetingsettings/add/", GREETING | change)

    assert page.status_code == 200
    assert said in page.content
    assert not GreetingSettings.objects.exists()
