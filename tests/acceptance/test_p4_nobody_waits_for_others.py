"""P4: a greeting never waits behind follow-ups or syncs, and one organization's burst never starves another's."""

from datetime import timedelta

from routing.jobs import NewJob, cancel, enqueue
from swiftex.ids import new_id
from tests.acceptance.shop import OPEN, assert_reached_once, somebody, with_crm

# Generous on busy cores; waiting for what stands in front would take several times as long.
SOON = timedelta(seconds=3)
BACKLOG = 3000


def test_a_lead_is_greeted_while_another_organization_has_a_burst(new_shop):
    bursting, quiet = new_shop(), new_shop()
    bursting.dial("whatsapp", median_ms=1500, statuses=[])
    burst = [bursting.body(somebody()) for _ in range(300)]

    assert bursting.post({"leads": burst}, path="/api/v1/leads/batch", timeout_s=30).json()["captured"] == 300
    leads = [quiet.ended(quiet.submit()) for _ in range(3)]

    assert bursting.states()["pending"] > 50
    assert [lead.greeting_state for lead in leads] == ["greeted"] * 3
    assert all(lead.greeted_at - lead.received_at < SOON for lead in leads)
    assert bursting.all_ended(300, within_s=40) == {"greeted": 300}


def test_a_lead_is_greeted_while_another_organizations_provider_hangs(new_shop):
    stuck, fine = new_shop(greeting={"unknown_wait_s": 1}), new_shop()
    stuck.dial("whatsapp", fault="hang", processes=True, statuses=[])
    stuck.dial("twilio", statuses=[])
    people = stuck.submit_many(60)

    leads = [fine.ended(fine.submit()) for _ in range(3)]

    assert stuck.states()["pending"] > 10
    assert [lead.greeting_state for lead in leads] == ["greeted"] * 3
    assert all(lead.greeted_at - lead.received_at < SOON for lead in leads)
    assert stuck.all_ended(60, within_s=60) == {"greeted": 60}
    assert_reached_once(stuck, people)


def test_a_greeting_does_not_wait_behind_thousands_of_due_syncs(new_shop):
    shop = new_shop(crm=with_crm)
    nobodys = [new_id() for _ in range(BACKLOG)]
    for start in range(0, BACKLOG, 1000):
        enqueue(*(_sync(shop, lead_id) for lead_id in nobodys[start : start + 1000]))

    lead = shop.ended(shop.submit())

    still_due = shop.jobs.filter(kind="sync_lead", state__in=OPEN).count()
    cancel(organization_id=shop.organization_id, keys=[f"sync:{lead_id}" for lead_id in nobodys])
    assert lead.greeting_state == "greeted"
    assert lead.greeted_at - lead.received_at < SOON
    assert still_due > BACKLOG / 2


def _sync(shop, lead_id) -> NewJob:
    payload = {"organization_id": str(shop.organization_id), "lead_id": str(lead_id)}
    return NewJob(organization_id=shop.organization_id, kind="sync_lead", key=f"sync:{lead_id}", payload=payload)
