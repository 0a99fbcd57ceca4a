"""Two organizations and several roles: what somebody must not see or do is neither shown nor possible."""

import re

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import expect

from channels_out.models import Channel, Message
from tests.browser.desk import log_in
from tests.browser.world import PASSWORD, SCRIPT

LISTS = [
    "leads/lead", "leads/contact", "leads/touch", "leads/mergesuggestion", "leads/consentrecord", "leads/suppression",
    "leads/leadsource", "conversations/conversation", "conversations/llmconnection", "conversations/greetingsettings",
    "analytics/leadstat", "channels_out/message", "channels_out/attempt", "channels_out/callback",
    "channels_out/unreachable", "channels_out/crmsync", "channels_out/channel", "channels_out/messagetemplate",
    "channels_out/crmconnection", "channels_out/notifysettings", "routing/event", "routing/job", "routing/deadjob",
    "routing/jobhistory", "accounts/organization",
]  # fmt: skip
SETTINGS = [
    "channels_out/channel", "channels_out/messagetemplate", "conversations/llmconnection",
    "conversations/greetingsettings", "accounts/organization",
]  # fmt: skip
FOR_MANAGERS = ["accounts/membership", "accounts/apikey", "accounts/auditentry"]


def test_who_logs_in_wrongly_is_told_so_and_rightly_gets_in(browser, stack, world):
    profile = browser.new_context(base_url=stack.base_url)
    page = profile.new_page()
    page.goto("/admin/leads/lead/")
    expect(page).to_have_url(re.compile("/admin/login/"))
    page.fill("#id_username", world.stranger)
    page.fill("#id_password", "wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()
    page.fill("#id_username", world.stranger)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile("/admin/leads/lead/"))
    profile.close()


def test_a_viewer_of_b_sees_nothing_of_a_and_has_nothing_to_press(stranger, world):
    names = [world.person(lead).name for lead in (world.greeted, world.rerouted, world.answered, world.stopped)]
    theirs = world.person(world.theirs).name
    for path in LISTS:
        words = stranger.open(f"/admin/{path}/")
        for name in names:
            assert not re.search(rf"{name}(?!\d)", words), (path, name)
        assert world.a.slug not in stranger.page.content(), path
        assert stranger.page.locator("select[name=action]").count() == 0, path
        assert stranger.page.locator("a[href$='/add/'], a[href*='/export/']").count() == 0, path
    assert [row["Name"] for row in stranger.table("/admin/leads/lead/")] == [theirs]
    assert "Bolt Cars · Europe/Berlin" in stranger.page.inner_text("body")


def test_a_viewer_finds_no_inputs_on_the_pages_of_b(stranger, world):
    for path in ("leads/lead", "leads/contact", "leads/leadsource", *SETTINGS):
        stranger.open(f"/admin/{path}/")
        first = stranger.page.locator("#result_list tbody a[href*='/change/']")
        stranger.open(first.first.get_attribute("href"))
        assert stranger.page.locator("[name=_save], [name=_continue], input[type=password]").count() == 0, path
        assert stranger.page.locator("main textarea, #main textarea").count() == 0, path
        for name in ("Greet again", "Mark as spam", "Check now", "Opt out", "Ask the model once"):
            assert stranger.button(name).count() == 0, (path, name)
    for path in FOR_MANAGERS:
        stranger.open(f"/admin/{path}/", status=403)


def test_pages_of_a_are_not_there_for_b(stranger, world):
    channel = Channel.objects.get(organization_id=world.a.organization_id, name="wa-main")
    message = Message.objects.filter(lead_id=world.greeted.pk).first()
    for path in (
        f"leads/lead/{world.greeted.pk}/change/",
        f"leads/contact/{world.greeted.contact_id}/change/",
        f"channels_out/channel/{channel.pk}/change/",
        f"channels_out/message/{message.pk}/change/",
        f"leads/lead/{world.greeted.pk}/history/",
    ):
        answer = stranger.page.request.get(f"/admin/{path}", max_redirects=0)
        assert answer.status in (302, 403, 404), path
        assert world.person(world.greeted).name not in answer.text()
    for path in (f"leads/lead/{world.greeted.pk}/mark_this_as_spam/", f"channels_out/channel/{channel.pk}/check/"):
        assert stranger.page.request.get(f"/admin/{path}", max_redirects=0).status in (302, 403, 404), path


def test_an_agent_works_on_leads_and_configures_nothing(agent, world):
    agent.open(f"/admin/leads/lead/{world.greeted.pk}/change/")
    assert agent.button("Greet again").count() == 1
    for path in SETTINGS:
        agent.open(f"/admin/{path}/")
        agent.page.locator("#result_list tbody a").first.click()
        agent.page.wait_for_load_state()
        assert agent.page.locator("[name=_save], input[type=password]").count() == 0, path
    for path in FOR_MANAGERS:
        agent.open(f"/admin/{path}/", status=403)


def test_scripts_in_a_lead_are_text_on_every_page(owner, world):
    lead, contact = world.hostile.pk, world.hostile.contact_id
    opened = [f"/admin/{path}/" for path in LISTS]
    opened += [
        f"/admin/leads/lead/{lead}/change/",
        f"/admin/leads/lead/{lead}/history/",
        f"/admin/leads/contact/{contact}/change/",
        f"/admin/routing/event/?q={lead}",
    ]
    for message in Message.objects.filter(contact_id=contact):
        opened.append(f"/admin/channels_out/message/{message.pk}/change/")
        if message.conversation_id:
            opened.append(f"/admin/conversations/conversation/{message.conversation_id}/change/")
    shown = 0
    for path in opened:
        words = owner.open(path)
        assert owner.page.evaluate("window.hit") is None, path
        assert owner.page.locator("img[src='x']").count() == 0, path
        shown += SCRIPT[:20] in words or SCRIPT[:20] in owner.page.locator("input, textarea").evaluate_all(
            "fields => fields.map(field => field.value).join(' ')"
        )
    assert shown >= 8


def test_a_superuser_chooses_an_organization_and_sees_what_beat_does(browser, stack, world):
    name = f"root-{world.a.slug}"
    get_user_model()._default_manager.create_superuser(name, f"{name}@example.com", PASSWORD)
    profile = log_in(browser, stack.base_url, name, PASSWORD)
    page = profile.new_page()
    page.goto("/admin/leads/lead/?q=Asha")
    assert {"Acme Loans", "Bolt Cars"} <= set(page.locator("#result_list tbody td").all_inner_texts())
    page.goto(f"/admin/accounts/organization/{world.b.organization_id}/switch/")
    page.goto("/admin/leads/lead/")
    assert page.locator("#result_list tbody tr").count() == 1
    for model in ("periodictask", "intervalschedule", "crontabschedule"):
        answer = page.goto(f"/admin/django_celery_beat/{model}/")
        assert answer is not None
        assert answer.status == 200, model
    assert "Periodic tasks" in page.inner_text("body")
    profile.close()


@pytest.mark.parametrize("path", ["/admin/", "/admin/leads/lead/", "/admin/leads/lead/{lead}/change/"])
def test_pages_fit_a_phone(browser, stack, world, seats, path):
    page = seats(world.owner).new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path.format(lead=world.greeted.pk))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
