"""What people configure in the admin, and that secrets go in and never come out."""

import re

import pytest
import requests
from playwright.sync_api import expect

from accounts.models import ApiKey, AuditEntry
from channels_out.models import Channel

SINGLE = {
    "channels_out/crmconnection": ["Base url", "Stored. Leave empty to keep it."],
    "channels_out/notifysettings": ["Webhook url", "Stored. Leave empty to keep it."],
    "conversations/llmconnection": ["test-1", "Stored. Leave empty to keep it."],
    "conversations/greetingsettings": ["Write one warm sentence.", "wa-main, sms-main", "lead_hello"],
    "channels_out/messagetemplate": ["lead_hello", "Reply here and we will help.", "first_name"],
    "accounts/organization": ["Acme Loans", "Asia/Kolkata", "2000"],
}


def all_on(page):
    """Words and the values of all inputs."""
    values = page.eval_on_selector_all("input, textarea", "fields => fields.map(field => field.value)")
    return " ".join([page.inner_text("body"), *values])


@pytest.mark.parametrize("name", SINGLE)
def test_a_page_of_settings_shows_what_is_set(owner, world, name):
    owner.open(f"/admin/{name}/")
    owner.page.locator("#result_list tbody a").first.click()
    expect(owner.page.get_by_role("button", name="Save", exact=True)).to_be_visible()
    shown = all_on(owner.page)
    for words in SINGLE[name]:
        assert words in shown, words


def test_a_channel_is_checked_by_a_button_and_its_secrets_stay_inside(owner, world):
    channel = Channel.objects.get(organization_id=world.a.organization_id, name="wa-main")
    path = f"/admin/channels_out/channel/{channel.pk}/change/"
    owner.open(path)
    for secret in (f"wa-token-{world.a.slug}", f"wa-secret-{world.a.slug}", f"wa-verify-{world.a.slug}"):
        assert secret not in owner.page.content()
    assert f"/webhooks/whatsapp/{world.a.slug}.wa-main" in owner.words()

    owner.button("Check now").click()

    expect(owner.page.get_by_text("token: valid for 15550001111").first).to_be_visible()
    expect(owner.page.get_by_text("template lead_hello: approved, parameters fit").first).to_be_visible()
    assert "ready" in owner.words()
    rows = {row["Name"]: row["State"].lower() for row in owner.table("/admin/channels_out/channel/")}
    assert rows == {"wa-main": "ready", "sms-main": "not checked"}
    owner.open(path)
    owner.picture("admin-channel")


def test_a_secret_is_replaced_by_typing_a_new_one_and_kept_by_typing_none(owner, world):
    channel = Channel.objects.get(organization_id=world.a.organization_id, name="sms-main")
    owner.open(f"/admin/channels_out/channel/{channel.pk}/change/")
    owner.page.fill("#id_messages_per_second", "900")
    assert "was changed successfully" in owner.save()

    channel.refresh_from_db()
    assert channel.messages_per_second == 900
    assert channel.credentials["auth_token"] == f"sms-token-{world.a.slug}"

    owner.open(f"/admin/channels_out/channel/{channel.pk}/change/")
    owner.page.fill("#id_previous_auth_token", "an-older-token")
    owner.save()
    channel.refresh_from_db()
    assert channel.credentials["previous_auth_token"] == "an-older-token"
    owner.open(f"/admin/channels_out/channel/{channel.pk}/change/")
    assert "an-older-token" not in owner.page.content()


def test_the_model_is_asked_by_a_button(owner, world):
    owner.open("/admin/conversations/llmconnection/")
    owner.page.locator("#result_list tbody a").first.click()
    assert f"model-{world.a.slug}" not in owner.page.content()
    owner.button("Ask the model once").click()
    expect(owner.page.get_by_text(re.compile(r"It answered in \d+ ms"))).to_be_visible()


def test_a_wrong_setting_is_refused_beside_its_field(owner, world):
    owner.open("/admin/conversations/greetingsettings/")
    owner.page.locator("#result_list tbody a").first.click()
    owner.page.fill("#id_channel_names", "wa-main, pigeon")
    owner.page.get_by_role("button", name="Save", exact=True).click()
    expect(owner.page.get_by_text("There is no channel named pigeon.")).to_be_visible()


def test_sources_show_where_their_form_is(owner, world):
    rows = {row["Key"]: row for row in owner.table("/admin/leads/leadsource/")}
    assert rows["landing"]["Address"] == f"/forms/{world.a.slug}.landing"
    assert rows["website"]["Address"] == "-"
    owner.page.get_by_role("link", name="landing", exact=True).click()
    expect(owner.page.locator("#id_consent_text")).to_have_value("You may contact me about my request.")


def test_a_key_is_shown_once_and_works_until_it_is_revoked(owner, world):
    owner.open("/admin/accounts/apikey/add/")
    owner.page.fill("#id_name", "partner")
    owner.page.get_by_label("leads:read").check()
    owner.page.get_by_role("button", name="Save", exact=True).click()
    owner.page.wait_for_selector("text=Copy this key now")
    (key,) = re.findall(r"swx_\S+", owner.page.inner_text("body"))
    stored = ApiKey.objects.get(organization_id=world.a.organization_id, name="partner")

    answer = requests.get(
        f"{world.a.stack.base_url}/api/v1/leads", headers={"Authorization": f"Bearer {key}"}, timeout=5
    )
    assert answer.status_code == 200
    rows = {row["Name"]: row for row in owner.table("/admin/accounts/apikey/")}
    assert rows["partner"]["Scopes"] == "leads:read"
    assert key not in owner.page.content()
    owner.open(f"/admin/accounts/apikey/{stored.pk}/change/")
    assert key not in owner.page.content()

    owner.table("/admin/accounts/apikey/")
    owner.choose("Revoke the selected keys", "partner")
    assert "Revoked 1 keys" in owner.page.inner_text("body")
    assert ApiKey.objects.get(pk=stored.pk).revoked_at


def test_members_and_roles_are_listed_and_a_member_is_added(owner, world):
    rows = {row["User"]: row["Role"] for row in owner.table("/admin/accounts/membership/")}
    assert rows[world.owner].startswith("Owner")
    assert rows[world.agent].startswith("Agent")
    assert world.stranger not in rows

    newcomer = f"new-{world.a.slug}"
    owner.open("/admin/accounts/membership/add/")
    owner.page.fill("#id_username", newcomer)
    owner.page.locator("#id_role").select_option("viewer")
    owner.page.get_by_role("button", name="Save", exact=True).click()
    expect(owner.page.get_by_text("A new user needs a password.")).to_be_visible()
    owner.page.fill("#id_password", "a long enough passphrase")
    owner.save()
    assert newcomer in {row["User"] for row in owner.table("/admin/accounts/membership/")}


def test_the_audit_log_says_who_changed_what(owner, world):
    owner.open("/admin/accounts/organization/")
    owner.page.locator("#result_list tbody a").first.click()
    owner.page.fill("#id_duplicate_window_days", "31")
    owner.save()

    entry = AuditEntry.objects.filter(organization_id=world.a.organization_id).latest("created_at")
    assert (entry.action, entry.details) == ("organization.changed", {"fields": ["duplicate_window_days"]})
    rows = owner.table("/admin/accounts/auditentry/")
    assert rows[0]["Action"] == "organization.changed"
    assert {"configuration.applied", "member.added"} <= {row["Action"] for row in rows}
