"""What whoever is on call sees and does: events, jobs and dead letters."""

from playwright.sync_api import expect

from channels_out.models import CrmSync
from routing.models import DeadJob
from tests.acceptance.shop import until

DEAD = "/admin/routing/deadjob/"


def test_the_events_of_a_lead_are_listed_and_shown(owner, world):
    types = [row["Type"] for row in owner.table(f"/admin/routing/event/?q={world.greeted.pk}")]
    reports = ("message.sent", "message.delivered", "message.read")
    for type_ in ("lead.created", "message.accepted", *reports, "lead.synced"):
        assert types.count(type_) == 1, type_
    owner.page.get_by_role("link", name="lead.created").click()
    expect(owner.page.get_by_text("first message due at")).to_be_visible()
    words = owner.words()
    for shown in ("source website", "has phone yes", str(world.greeted.pk)):
        assert shown in words, shown
    assert world.person(world.greeted).phone not in words


def test_jobs_that_ended_are_in_the_history(owner, world):
    rows = owner.table(f"/admin/routing/jobhistory/?q={world.greeted.pk}")
    ended = {(row["Kind"], row["State"].lower(), row["Attempts"]) for row in rows}
    assert {("greet_lead", "done", "1"), ("sync_lead", "done", "1")} <= ended


def test_jobs_that_wait_are_listed(owner, world):
    owner.open("/admin/routing/job/")
    assert "Jobs" in owner.page.inner_text("body")


def test_dead_letters_say_why_and_are_retried_and_discarded(agent, world):
    dead = DeadJob.objects.filter(organization_id=world.a.organization_id, state="dead")
    synced = CrmSync.objects.filter(lead_id__in=[lead.pk for lead in world.dead], state="synced")
    rows = agent.table(DEAD)
    assert [(row["Kind"], row["Last error"], row["State"].lower()) for row in rows] == [
        ("sync_lead", "http_422", "dead")
    ] * 4
    agent.picture("admin-dead-letters")

    agent.page.locator("#result_list tbody a").first.click()
    expect(agent.page.get_by_text("http_422")).to_be_visible()
    agent.confirm("Try again", submit="Try again")
    assert "1 to be tried again." in agent.page.inner_text("body")
    until(lambda: synced.count() == 1, what="the retried sync")

    agent.table(DEAD)
    agent.page.locator("#result_list tbody a").first.click()
    agent.confirm("Discard", submit="Discard")
    assert "1 discarded." in agent.page.inner_text("body")
    assert dead.count() == 2

    first, second = list(dead.order_by("pk"))
    agent.table(DEAD)
    agent.choose("Try again", first.key)
    assert "1 to be tried again." in agent.page.inner_text("body")
    until(lambda: synced.count() == 2, what="the sync that was retried from the list")

    agent.table(DEAD)
    agent.choose("Discard", second.key)
    assert "1 discarded." in agent.page.inner_text("body")
    assert agent.table(DEAD) == []
    assert "There is nothing here yet." in agent.words()
