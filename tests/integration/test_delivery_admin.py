"""The admin's pages of delivery, as people of several roles see them: content, secrets, strangers' markup."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from accounts import services as accounts_services
from accounts.models import AuditEntry, Role
from channels_out.models import Callback, Channel, CrmConnection, CrmSync, Message, MessageTemplate, NotifySettings
from sandbox.process import running_sandbox
from tests.integration.delivery_ground import make_ground
from tests.integration.test_callbacks import attempt_of, envelope, fold, post_twilio, post_whatsapp, status, text

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "canary-secret-7"


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture
def ground(sandbox, transactional_db):
    sandbox.reset()
    return make_ground(sandbox)


def member(organization, role):
    name = f"{organization.slug}-{role}"
    accounts_services.add_member(
        organization_id=organization.pk, username=name, role=role, actor="command:test", password="correct horse"
    )
    client = Client()
    client.force_login(get_user_model().objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(client, name, *arguments):
    return client.get(reverse(f"admin:channels_out_{name}", args=arguments))


def channel_input(**changes):
    values = {
        "name": "wa-new", "kind": "whatsapp_cloud", "messages_per_second": "80", "is_active": "on",
        "base_url": "https://graph.facebook.com", "api_version": "v23.0", "phone_number_id": "555", "waba_id": "444",
        "access_token": SECRET, "app_secret": "b", "verify_token": "c",
    }  # fmt: skip
    return values | changes


def test_a_message_shows_its_attempts_and_receipts(ground):
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead))
    post_whatsapp(ground, envelope(ground, {"statuses": [status(attempt, "delivered")]}))
    fold()
    client = member(ground.organization, Role.VIEWER)

    listed = page(client, "message_changelist").content.decode()
    one = page(client, "message_change", attempt.message_id).content.decode()

    assert "Kim Lee" in listed
    assert "delivered" in listed
    assert "When suits you?" in one
    assert attempt.provider_id in one
    assert "delivered " in one
    assert '<input type="submit"' not in one


def test_nothing_a_stranger_wrote_is_markup(ground):
    lead = ground.lead()
    post_whatsapp(ground, envelope(ground, text(lead, "<script>alert(1)</script>")))
    client = member(ground.organization, Role.VIEWER)

    shown = page(client, "message_change", Message.objects.get().pk).content.decode()
    shown += page(client, "callback_change", Callback.objects.get().pk).content.decode()

    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def test_another_organizations_rows_are_not_there(ground):
    other = make_ground(ground.sandbox)
    theirs = other.deliver(other.lead())
    client = member(ground.organization, Role.OWNER)

    listed = page(client, "message_changelist").content.decode()

    assert str(theirs.message_id) not in listed
    assert page(client, "message_change", theirs.message_id).status_code == 302
    assert page(client, "channel_change", other.whatsapp.pk).status_code == 302


def test_a_channel_is_added_with_secrets_that_are_never_shown(ground):
    client = member(ground.organization, Role.MANAGER)

    answer = client.post(reverse("admin:channels_out_channel_add"), channel_input())

    assert answer.status_code == 302, answer.content.decode()[:3000]
    channel = Channel.objects.get(name="wa-new")
    assert (channel.organization_id, channel.credentials["access_token"]) == (ground.organization.pk, SECRET)
    assert channel.settings["phone_number_id"] == "555"
    shown = page(client, "channel_change", channel.pk).content.decode()
    assert SECRET not in shown
    assert "Stored. Leave empty to keep it." in shown
    assert SECRET not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))

    changed = channel_input(access_token="", messages_per_second="50", app_secret="", verify_token="")
    client.post(reverse("admin:channels_out_channel_change", args=[channel.pk]), changed)

    channel.refresh_from_db()
    assert (channel.messages_per_second, channel.credentials["access_token"]) == (50, SECRET)


@pytest.mark.parametrize(
    "changes",
    [{"access_token": ""}, {"phone_number_id": "not digits"}, {"base_url": "ftp://x"}, {"messages_per_second": "0"},
     {"kind": "twilio_sms"}, {"name": "wa-main"}],
)  # fmt: skip
def test_a_channel_that_could_not_send_is_refused(ground, changes):
    client = member(ground.organization, Role.MANAGER)

    answer = client.post(reverse("admin:channels_out_channel_add"), channel_input(**changes))

    assert answer.status_code == 200
    assert Channel.objects.count() == 2


def test_a_viewer_sees_channels_without_inputs_and_changes_nothing(ground):
    client = member(ground.organization, Role.VIEWER)

    shown = page(client, "channel_change", ground.whatsapp.pk).content.decode()
    client.post(reverse("admin:channels_out_channel_change", args=[ground.whatsapp.pk]), channel_input(name="gone"))

    assert "access_token" not in shown
    assert "closed" in shown
    assert Channel.objects.filter(name="wa-main").exists()


def test_the_check_button_says_what_is_wrong(ground, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:1"
    client = member(ground.organization, Role.MANAGER)
    shown = page(client, "channel_change", ground.sms.pk).content.decode()
    assert "Check now" in shown

    answer = client.get(reverse("admin:channels_out_channel_check_now", args=[ground.sms.pk]), follow=True)

    assert "callback: no answer" in answer.content.decode()
    assert Channel.objects.get(pk=ground.sms.pk).check_result["ok"] is False


def test_a_template_that_would_not_be_approved_is_refused(ground):
    client = member(ground.organization, Role.MANAGER)
    values = {
        "name": "t", "kind": "whatsapp_cloud", "language": "en_US", "category": "utility", "parameter_format": "named",
        "parameters": '["first_name"]', "body": "{{first_name}}, hello.",
    }  # fmt: skip

    answer = client.post(reverse("admin:channels_out_messagetemplate_add"), values)
    assert "neither begins nor ends" in answer.content.decode()
    client.post(reverse("admin:channels_out_messagetemplate_add"), values | {"body": "Hello {{first_name}}."})

    assert set(MessageTemplate.objects.values_list("name", flat=True)) == {"lead_hello", "t"}


def test_a_lead_is_synced_again_by_an_agent_and_not_by_a_viewer(ground):
    crm = CrmConnection.objects.create(organization=ground.organization, kind="http", base_url="http://127.0.0.1:1/x")
    lead = ground.lead()
    row = CrmSync.objects.create(organization=ground.organization, connection=crm, lead=lead, state="synced")
    values = {"action": "sync_these_again", "_selected_action": [row.pk]}

    for role, jobs in ((Role.VIEWER, 0), (Role.AGENT, 1)):
        member(ground.organization, role).post(reverse("admin:channels_out_crmsync_changelist"), values)
        assert ground.jobs("sync_lead").count() == jobs


def test_notices_and_the_crm_are_set_once(ground):
    client = member(ground.organization, Role.MANAGER)

    client.post(reverse("admin:channels_out_notifysettings_add"), {"email": "a@example.com", "is_active": "on"})
    answer = client.post(
        reverse("admin:channels_out_crmconnection_add"),
        {"kind": "http", "base_url": "http://127.0.0.1:8080/x", "is_active": "on", "secret": SECRET},
    )

    assert answer.status_code == 302, answer.context["errors"]
    assert NotifySettings.objects.get().email == "a@example.com"
    assert CrmConnection.objects.get().credentials["secret"] == SECRET
    assert page(client, "notifysettings_add").status_code == 403
    assert SECRET not in page(client, "crmconnection_change", CrmConnection.objects.get().pk).content.decode()


@pytest.mark.parametrize("name", ["message", "attempt", "callback", "channel", "messagetemplate", "unreachable",
                                  "crmconnection", "crmsync", "notifysettings"])  # fmt: skip
def test_every_list_can_be_opened(ground, name):
    ground.deliver(ground.lead())

    assert page(member(ground.organization, Role.VIEWER), f"{name}_changelist").status_code == 200


def test_a_lead_leads_to_its_messages(ground):
    lead = ground.lead()
    delivered = ground.deliver(lead)
    ground.deliver(ground.lead())
    client = member(ground.organization, Role.VIEWER)

    shown = client.get(reverse("admin:leads_lead_change", args=[lead.pk])).content.decode()
    listed = page(client, "message_changelist").wsgi_request.path + f"?lead__id__exact={lead.pk}"
    found = client.get(listed).content.decode()

    assert f"?lead__id__exact={lead.pk}" in shown
    assert found.count(str(delivered.message_id)) >= 1
    assert found.count("/change/") == 1 or "1 message" in found


def test_an_inbound_call_is_kept_and_answered_with_silence(ground):
    answer = post_twilio(ground, {"CallSid": "CA1", "CallStatus": "ringing"}, "voice")

    assert (answer.status_code, answer.content[-11:]) == (200, b"<Response/>")
    assert Callback.objects.get().endpoint == "voice"
