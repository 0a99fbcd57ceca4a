"""The CRM has each lead once, signed; people are told what is new; and the pages and the API show it all."""

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import CommandError, call_command

from accounts.services import issue_api_key
from channels_out.models import Channel, CrmConnection, CrmSync, Message, NotifySettings
from channels_out.services import notices, syncing
from channels_out.services.checking import check_channel
from routing.models import Event
from sandbox.process import running_sandbox
from swiftex.failures import PermanentFailure, TemporaryFailure
from tests.integration.delivery_ground import make_ground

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture
def ground(sandbox, transactional_db):
    sandbox.reset()
    return make_ground(sandbox)


@pytest.fixture
def crm(ground):
    account = ground.organization.slug
    ground.sandbox.crm_secret(account, SECRET)
    return CrmConnection.objects.create(
        organization=ground.organization,
        kind="http",
        base_url=ground.sandbox.crm_url(account),
        credentials={"secret": SECRET},
    )


def sync(lead):
    syncing.sync_lead(organization_id=lead.organization_id, lead_id=lead.id)


def test_a_lead_is_posted_once_signed_and_noted(ground, crm):
    lead = ground.lead()

    sync(lead)
    sync(lead)

    entries = ground.sandbox.ledger(provider="crm", account=ground.organization.slug)
    assert len(entries) == 1
    assert entries[0]["signature_ok"] is True
    row = CrmSync.objects.get()
    assert (row.state, row.attempts) == ("synced", 1)
    event = Event.objects.get(type="lead.synced")
    assert (event.data["connection"], event.data["remote_id"]) == ("http", row.remote_id or None)


def test_a_crm_that_is_down_is_tried_again_under_the_same_id(ground, crm):
    lead = ground.lead()
    ground.sandbox.add_rule("crm", times=1, fault="error", error_status=503, retry_after_s=7)

    with pytest.raises(TemporaryFailure) as failure:
        sync(lead)
    assert (failure.value.reason, failure.value.retry_after_s) == ("http_503", 7.0)
    assert CrmSync.objects.get().state == "waiting"
    sync(lead)

    assert (CrmSync.objects.get().state, CrmSync.objects.get().attempts) == ("synced", 2)
    assert Event.objects.filter(type="lead.synced").count() == 1


def test_a_crm_that_refuses_for_good_leaves_the_reason(ground, crm):
    ground.sandbox.add_rule("crm", fault="error", error_status=400)
    lead = ground.lead()

    with pytest.raises(PermanentFailure, match="http_400"):
        sync(lead)

    assert (CrmSync.objects.get().state, CrmSync.objects.get().reason) == ("failed", "http_400")


def test_without_a_crm_nothing_happens(ground):
    sync(ground.lead())

    assert CrmSync.objects.count() == 0


def test_sync_again_owes_one_job(ground, crm):
    lead = ground.lead()
    sync(lead)

    for _ in range(2):
        syncing.sync_again(organization_id=ground.organization.id, lead_id=lead.id)

    assert ground.jobs("sync_lead").count() == 1
    assert CrmSync.objects.get().state == "waiting"


# --- notices


def notice_settings(ground, **columns):
    told = datetime(2020, 1, 1, tzinfo=UTC)
    values = {"email": "sales@example.com", "told_until": told, **columns}
    return NotifySettings.objects.create(organization=ground.organization, **values)


def test_one_mail_tells_a_burst_and_nothing_twice(ground):
    notice_settings(ground)
    leads = [ground.lead() for _ in range(3)]
    type(leads[0]).objects.update(received_at=datetime(2026, 1, 1, tzinfo=UTC))

    for _ in range(2):
        notices.send_notice(organization_id=ground.organization.id)

    assert len(mail.outbox) == 1
    assert mail.outbox[0].subject == "Acme Loans: 3 new leads"
    assert mail.outbox[0].body.count("Kim Lee, from website") == 3
    assert ground.jobs("notify").count() == 1


def test_an_owner_hears_of_the_own_leads_alone(ground):
    notice_settings(ground)
    owner = get_user_model().objects.create(username=f"owner-{ground.organization.slug}", email="ada@example.com")
    mine, _ = ground.lead(owner=owner), ground.lead()
    type(mine).objects.update(received_at=datetime(2026, 1, 1, tzinfo=UTC))

    notices.send_notice(organization_id=ground.organization.id)

    assert {message.to[0]: message.subject for message in mail.outbox} == {
        "sales@example.com": "Acme Loans: 2 new leads", "ada@example.com": "Acme Loans: 1 new lead",
    }  # fmt: skip
    assert str(mine.id) in mail.outbox[1].body


def test_what_is_too_young_to_be_told_is_looked_at_again(ground):
    notice_settings(ground)
    ground.lead()

    notices.send_notice(organization_id=ground.organization.id)

    assert mail.outbox == []
    assert ground.jobs("notify").count() == 1


def test_the_webhook_gets_ids_without_names_and_is_signed(ground):
    account = f"hook-{ground.organization.slug}"
    ground.sandbox.crm_secret(account, SECRET)
    notice_settings(ground, email="", webhook_url=ground.sandbox.crm_url(account), credentials={"secret": SECRET})
    lead = ground.lead()
    type(lead).objects.update(received_at=datetime(2026, 1, 1, tzinfo=UTC))

    notices.send_notice(organization_id=ground.organization.id)

    entry = ground.sandbox.ledger(provider="crm", account=account)[0]
    assert entry["signature_ok"] is True
    assert "Kim" not in json.dumps(entry)
    assert mail.outbox == []


def test_nobody_is_told_when_nobody_is_configured(ground):
    ground.lead()

    notices.send_notice(organization_id=ground.organization.id)

    assert mail.outbox == []


# --- checks


def test_a_channel_that_is_ready_says_so(ground, live_server, settings):
    settings.PUBLIC_URL = live_server.url

    for name in ("wa-main", "sms-main"):
        checks = check_channel(organization_id=ground.organization.id, name=name)
        assert [check for check in checks if not check.is_ok] == []
    stored = Channel.objects.get(pk=ground.whatsapp.pk)
    assert stored.check_result["ok"] is True
    assert stored.checked_at is not None


def test_what_is_wrong_is_named_with_its_remedy(ground, live_server, settings, capsys):
    settings.PUBLIC_URL = live_server.url
    Channel.objects.filter(pk=ground.whatsapp.pk).update(
        credentials={**ground.whatsapp.credentials, "access_token": "expired"}
    )
    ground.template.language = "de"
    ground.template.save()

    with pytest.raises(CommandError, match="not ready"):
        call_command("check_channel", f"{ground.organization.slug}.wa-main")

    printed = capsys.readouterr().out
    assert "FAIL token: refused (190)" in printed
    assert "FAIL template lead_hello" in printed
    assert "ok   callback" in printed


def test_a_callback_address_that_leads_nowhere_is_noticed(ground, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:1"

    checks = check_channel(organization_id=ground.organization.id, name="sms-main")

    assert [check.name for check in checks if not check.is_ok] == ["callback"]


# --- API


def test_messages_are_listed_and_read_with_their_attempts(ground, client):
    issued = issue_api_key(
        organization_id=ground.organization.id, name="k", scopes=["conversations:read"], actor="command:test"
    )
    key = issued.text
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="error", error_code=131026)
    delivered = ground.deliver(lead)
    ground.deliver(ground.lead())
    headers = {"Authorization": f"Bearer {key}"}

    listed = client.get(f"/api/v1/messages?lead_id=lead_{lead.id.hex}", headers=headers).json()["data"]
    one = client.get(f"/api/v1/messages/msg_{delivered.message_id.hex}", headers=headers).json()

    assert listed == [one]
    assert [(a["channel"], a["state"], a["code"]) for a in one["attempts"]] == [
        ("wa-main", "refused", "131026"), ("sms-main", "accepted", None),
    ]  # fmt: skip
    assert one["text"] == Message.objects.get(pk=delivered.message_id).text
    assert client.get("/api/v1/messages?status=nope", headers=headers).status_code == 400
