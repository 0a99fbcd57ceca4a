"""One new lead starts the greeting, the sync and the notice: one of them failing or slow changes nothing for others."""

import pytest

from channels_out.models import CrmSync
from tests.acceptance.shop import somebody, until, with_crm, with_hook


@pytest.mark.parametrize(
    ("provider", "mood"),
    [
        ("crm", {"fault": "error", "error_status": 500}),
        ("crm", {"fault": "hang"}),
        ("hooks", {"fault": "error", "error_status": 500}),
        ("hooks", {"fault": "reset"}),
    ],
)
def test_a_broken_neighbour_changes_nothing_for_the_greeting(new_shop, provider, mood):
    shop, person = new_shop(crm=with_crm, notify=with_hook), somebody()
    shop.dial(provider, **mood)

    lead = shop.ended(shop.submit(person))

    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "wa-main")
    assert shop.received(person) == {"whatsapp": 1}
    assert (lead.greeted_at - lead.received_at).total_seconds() < 3


def test_leads_are_synced_when_the_crm_is_back(new_shop):
    shop = new_shop(crm=with_crm)
    shop.dial("crm", fault="error", error_status=500)
    leads = [shop.submit() for _ in range(5)]
    synced = CrmSync.objects.filter(organization_id=shop.organization_id)
    until(lambda: synced.filter(state="waiting", reason="http_500").count() == 5, what="the refusals")

    shop.dial("crm")

    until(lambda: synced.filter(state="synced").count() == 5, what="the sync")
    assert sorted(fact["lead_id"] for fact in shop.events("lead.synced")) == sorted(str(lead.id) for lead in leads)
    done = [request for request in shop.requests_to("crm") if request["processed_at"]]
    assert len(done) == 5
    assert len({request["opaque"] for request in shop.requests_to("crm")}) == 5


def test_a_burst_becomes_one_notice_and_a_failed_notice_is_sent_again(new_shop):
    shop = new_shop(notify=with_hook)
    rule = shop.rule("hooks", fault="error", error_status=500)
    shop.submit_many(8)
    until(lambda: shop.requests_to("hooks"), what="the first try")
    assert shop.requests_to("hooks")[0]["processed_at"] is None

    shop.sandbox.remove_rule(rule)

    until(lambda: [request for request in shop.requests_to("hooks") if request["processed_at"]], what="the notice")
    told = [request for request in shop.requests_to("hooks") if request["processed_at"]]
    assert len(told) == 1
    assert '"lead_count":8' in told[0]["body"]


def test_a_silent_greeting_does_not_keep_the_crm_waiting(new_shop):
    shop = new_shop(crm=with_crm, greeting={"unknown_wait_s": 30})
    shop.dial("whatsapp", fault="hang")

    shop.submit()

    until(lambda: shop.events("lead.synced"), within_s=5, what="the sync")
    assert shop.states() == {"pending": 1}
