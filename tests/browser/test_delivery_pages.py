"""What people see on the pages of messages, calls, callbacks and the CRM."""

import re

from tests.browser.world import ANSWER

DELIVERY = "/admin/channels_out/"


def test_messages_of_a_lead_have_their_attempts_and_receipts(owner, world):
    rows = owner.table(f"{DELIVERY}message/?lead__id__exact={world.greeted.pk}")
    assert [(row["Direction"], row["Status"].lower(), row["Channel"]) for row in rows] == [("out", "read", "wa-main")]

    owner.page.locator("#result_list tbody a").first.click()
    owner.page.wait_for_selector("text=Attempts")
    words = owner.words()
    assert f"To {world.person(world.greeted).name}" in owner.page.inner_text("body")
    for shown in ("Hi Asha", "lead_hello", "model", "Model answered at", f"lead_{world.greeted.pk.hex}"):
        assert shown in words, shown
    assert re.search(r"sent \d\d:\d\d:\d\d, delivered \d\d:\d\d:\d\d, read \d\d:\d\d:\d\d", words)
    owner.picture("admin-message")


def test_a_refused_call_and_the_one_after_it_are_both_shown(owner, world):
    (row,) = owner.table(f"{DELIVERY}message/?lead__id__exact={world.rerouted.pk}")
    assert row["Channel"] == "sms-main"
    owner.page.locator("#result_list tbody a").first.click()
    owner.page.wait_for_selector("text=Attempts")
    calls = [" ".join(line.inner_text().split()) for line in owner.page.locator("tr.form-row, tbody tr").all()]
    shown = " | ".join(calls)
    assert re.search(r"1 wa-main refused .*131026", shown)
    assert re.search(r"2 sms-main accepted", shown)

    rows = owner.table(f"{DELIVERY}attempt/?code=131026")
    assert [(row["Contact"], row["State"].lower()) for row in rows] == [(world.person(world.rerouted).name, "refused")]
    rows = owner.table(f"{DELIVERY}unreachable/")
    assert [(row["Contact"], row["Code"]) for row in rows] == [(world.person(world.rerouted).name, "131026")]


def test_what_people_wrote_is_listed(owner, world):
    person = world.person(world.answered)
    owner.table(f"{DELIVERY}message/?direction__exact=in&q={person.phone.lstrip('+')}")
    owner.page.locator("#result_list tbody a").first.click()
    owner.page.wait_for_selector(f"text={ANSWER}")


def test_callbacks_are_kept_as_they_came(owner, world):
    rows = owner.table(f"{DELIVERY}callback/")
    assert {row["Channel"] for row in rows} >= {"wa-main"}
    assert all(row["Folded at"] != "-" for row in rows)
    owner.page.locator("#result_list tbody a").first.click()
    owner.page.wait_for_selector("pre")
    assert '"whatsapp_business_account"' in owner.page.inner_text("pre")


def test_syncs_to_the_crm_say_how_far_they_got(owner, world):
    rows = {row["Lead"]: row for row in owner.table(f"{DELIVERY}crmsync/")}
    synced = rows[world.person(world.greeted).name]
    assert (synced["State"].lower(), synced["Attempts"]) == ("synced", "1")
    assert synced["Remote id"].startswith("crm_")
