"""What people see and do on the pages of leads."""

import csv
import io
import re
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from leads.models import Lead, Touch
from tests.acceptance.shop import somebody
from tests.browser.world import FORMULA

LEADS = "/admin/leads/lead/"
IS_INSIDE = """bar => {
    const box = bar.getBBox(), picture = bar.ownerSVGElement.viewBox.baseVal;
    return box.x >= 0 && box.x + box.width <= picture.width;
}"""


def page_of(lead):
    return f"{LEADS}{lead.pk}/change/"


def test_the_list_says_who_came_and_how_fast_they_were_greeted(owner, world):
    rows = {row["Name"]: row for row in owner.table(LEADS)}

    greeted = rows[world.person(world.greeted).name]
    assert greeted["Phone"] == world.person(world.greeted).phone
    assert greeted["Source"] == "website"
    assert greeted["First message"].lower() == "greeted: wa-main"
    assert re.fullmatch(r"[0-2]\.\d\d s", greeted["First response"])
    assert rows[world.person(world.rerouted).name]["First message"].lower() == "greeted: sms-main"
    assert rows[world.person(world.answered).name]["Status"].lower() == "replied"
    local = world.greeted.received_at.astimezone(ZoneInfo("Asia/Kolkata"))
    assert greeted["Received at"] == f"{local.day} {local:%b %Y, %H:%M:%S}"
    assert "Asia/Kolkata" in owner.page.inner_text("body")


def test_the_list_is_searched_by_name_phone_and_id(owner, world):
    person = world.person(world.greeted)
    public_id = f"lead_{world.greeted.pk.hex}"
    for term in (person.phone.lstrip("+"), person.phone[-8:], public_id):
        assert [row["Name"] for row in owner.table(f"{LEADS}?q={term}")] == [person.name]
    assert owner.table(f"{LEADS}?q=nobody-of-this-name") == []
    assert "Nothing matches the search" in owner.words()


def test_the_list_is_filtered_by_what_became_of_the_first_message(owner, world):
    owner.open(LEADS)
    owner.page.get_by_text("Filters").first.click()
    owner.page.get_by_role("link", name="Replied", exact=True).click()
    expect(owner.page).to_have_url(re.compile("status__exact=replied"))
    names = {row["Name"] for row in owner.rows()}
    assert world.person(world.answered).name in names
    assert world.person(world.greeted).name not in names


def test_the_list_has_days(owner, world):
    local = world.greeted.received_at.astimezone(ZoneInfo("Asia/Kolkata"))
    owner.open(LEADS)
    owner.page.get_by_role("link", name=f"{local.day} {local:%B}", exact=True).click()
    expect(owner.page).to_have_url(re.compile(f"received_at__day={local.day}"))
    assert world.person(world.greeted).name in {row["Name"] for row in owner.rows()}


def test_a_lead_has_a_waterfall_that_names_the_slowest_part(owner, world):
    words = owner.open(page_of(world.greeted))

    waterfall = " ".join(owner.page.locator("#waterfall").inner_text().split())
    assert re.search(r"First message after \d+ ms", waterfall)
    assert re.search(r"Slowest part: language model, 6\d\d\.\d ms", waterfall)
    moments = ["received", "committed", "dispatched", "started", "model answered", "channel accepted", "delivered"]
    for moment in [*moments, "read"]:
        assert re.search(rf"{moment} \d+\.\d ms", waterfall), moment
    bars = owner.page.locator("#waterfall rect")
    assert bars.count() == 5
    assert all(bar.evaluate(IS_INSIDE) for bar in bars.all())
    timeline = " ".join(owner.page.locator("#timeline").inner_text().split())
    for fact in (
        "Captured from website",
        "Greeting accepted by wa-main, written by the model",
        "Delivered on",
        "Read on",
    ):
        assert fact in timeline, fact
    assert re.search(r"Came in again from website, known by phone", timeline)
    for shown in ("spring", "search", "home", "250000", "Messages and attempts", "Touches"):
        assert shown in words, shown
    assert "{" not in words


def test_a_lead_can_be_assigned_noted_and_tagged(owner, agent, world):
    lead = world.a.ended(world.a.submit())
    agent.open(LEADS)
    agent.choose("Assign to me", world.person(lead).name)
    assert "1 lead assigned to you" in agent.words()

    agent.open(page_of(lead))
    agent.page.locator("textarea[name$='-text']:visible").fill("Prefers <b>mornings</b>.")
    agent.page.fill("#id_tags", "vip, home loan")
    agent.save()

    words = owner.open(page_of(lead))
    assert "Prefers <b>mornings</b>." in words
    assert "Assigned to user" in words
    stored = Lead.objects.get(pk=lead.pk)
    assert (stored.owner.username, stored.tags) == (world.agent, ["vip", "home loan"])
    assert owner.page.input_value("#id_tags") in ("vip,home loan", "vip, home loan")
    note = stored.notes.get() if hasattr(stored, "notes") else stored.leadnote_set.get()
    assert note.author.username == world.agent


def test_a_lead_is_set_aside_as_spam_and_released(agent, world):
    lead = world.a.ended(world.a.submit())
    agent.open(page_of(lead))
    assert not agent.button("Not spam").count()

    agent.confirm("Mark as spam", submit="Mark as spam")

    assert "1 lead set aside as spam" in agent.words()
    assert Lead.objects.get(pk=lead.pk).status == "spam"
    assert not agent.button("Mark as spam").count()

    agent.confirm("Not spam", submit="Release")

    assert "1 lead released" in agent.words()
    assert Lead.objects.get(pk=lead.pk).status != "spam"


def test_a_failed_greeting_is_tried_again_by_a_button(agent, world):
    person = somebody()
    world.a.rule("whatsapp", person, fault="error", error_status=400, error_code=131026)
    rule = world.a.rule("twilio", person, fault="error", error_status=400)
    lead = world.a.ended(world.a.submit(person))
    assert lead.greeting_state == "failed"
    assert "No first message yet" in agent.open(page_of(lead))
    world.a.sandbox.remove_rule(rule)

    agent.confirm("Greet again", submit="Greet again")

    assert "1 will be greeted now" in agent.words()
    assert world.a.ended(lead).greeting_state == "greeted"
    assert world.a.received(person) == {"twilio": 1}

    agent.confirm("Greet again", submit="Greet again")
    assert "Not greeted" in agent.words()
    assert world.a.received(person) == {"twilio": 1}


def test_a_lead_entered_by_hand_is_greeted(agent, world):
    person = somebody()
    agent.open(f"{LEADS}add/")
    agent.page.get_by_role("button", name="Capture and greet").click()
    assert "needed" in agent.words()
    agent.page.fill("#id_name", person.name)
    agent.page.fill("#id_phone", "12")
    agent.page.get_by_role("button", name="Capture and greet").click()
    expect(agent.page.locator("[role=alert]").last).to_contain_text("Not a possible number")
    agent.page.fill("#id_phone", person.phone)
    agent.page.get_by_role("button", name="Capture and greet").click()
    expect(agent.page.get_by_text("The lead is captured.")).to_be_visible()

    lead = Lead.objects.get(organization_id=world.a.organization_id, phone=person.phone)
    assert world.a.ended(lead).greeting_state == "greeted"
    assert world.a.received(person) == {"whatsapp": 1}
    assert lead.source.kind == "admin"


def test_an_export_holds_no_formula(agent, world):
    agent.open(LEADS)
    agent.page.locator("a[href*='/export/']").click()
    agent.page.locator("select[name=format]").select_option(label="csv")
    with agent.page.expect_download() as download:
        agent.page.get_by_role("button", name="Submit").click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))

    by_id = {row["id"]: row for row in rows}
    assert by_id[f"lead_{world.formula.pk.hex}"]["name"] == f"'{FORMULA}"
    assert by_id[f"lead_{world.formula.pk.hex}"]["phone"] == f"'{world.person(world.formula).phone}"
    assert by_id[f"lead_{world.greeted.pk.hex}"]["greeting_channel"] == "wa-main"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert f"lead_{world.theirs.pk.hex}" not in by_id


def test_touches_show_every_submission(owner, world):
    person = world.person(world.greeted)
    shown = [row for row in owner.table("/admin/leads/touch/?q=spring") if row["Contact"] == person.name]
    assert [(row["Source"], row["Campaign"]) for row in shown] == [("website", "spring")]
    assert Touch.objects.filter(lead_id=world.greeted.pk).count() == 2


def test_the_first_response_report_counts_leads(owner, world):
    owner.open("/admin/analytics/leadstat/?days=1")
    expect(owner.page.locator("#totals")).to_contain_text("Captured")
    figures = dict(re.findall(r"(Captured|Greeted|Replied) ?(\d+)", " ".join(owner.page.inner_text("#totals").split())))
    assert int(figures["Captured"]) >= 10
    assert int(figures["Greeted"]) >= 8
    row = " ".join(owner.page.locator("#first-response tbody tr").filter(has_text="website").inner_text().split())
    assert "whatsapp_cloud" in row
    assert re.search(r"twilio_sms \d", row)
