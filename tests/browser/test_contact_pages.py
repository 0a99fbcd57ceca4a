"""What people see and do on the pages of contacts and conversations."""

from leads.models import Contact
from tests.browser.world import ANSWER

CONTACTS = "/admin/leads/contact/"


def contact_page(lead):
    return f"{CONTACTS}{lead.contact_id}/change/"


def test_a_contact_shows_identities_consent_and_leads(owner, world):
    person = world.person(world.stopped)
    words = owner.open(contact_page(world.stopped))

    assert owner.page.input_value("#id_name") == person.name
    for shown in (person.phone, person.email, "opted out", "Identities", "Consent", "stop_word", "Revoked"):
        assert shown in words, shown
    assert f"lead_{world.stopped.pk.hex}" in words
    assert not owner.button("Opt out").count()
    owner.picture("admin-contact")


def test_contacts_are_listed_with_who_may_be_messaged(owner, world):
    rows = {row["Name"]: row["Messages"].lower() for row in owner.table(CONTACTS)}
    assert rows[world.person(world.stopped).name] == "opted out"
    assert rows[world.person(world.greeted).name] == "may be messaged"


def test_a_person_is_opted_out_and_in_again_by_a_button(agent, world):
    lead = world.a.ended(world.a.submit())
    agent.open(contact_page(lead))

    agent.confirm("Opt out", submit="Opt out")

    words = agent.words()
    assert "1 contact: opted out." in words
    assert "Revoked" in words
    assert Contact.objects.get(pk=lead.contact_id).is_opted_out
    agent.confirm("Opt in again", submit="Opt in")
    assert not Contact.objects.get(pk=lead.contact_id).is_opted_out


def test_the_ledger_of_consent_and_the_suppressions_are_shown(owner, world):
    person = world.person(world.stopped)
    rows = [row for row in owner.table("/admin/leads/consentrecord/") if row["Contact"] == person.name]
    assert [(row["Status"], row["Source"]) for row in rows] == [("Revoked", "stop_word")]
    suppressed = owner.table("/admin/leads/suppression/")
    assert "stop_word" in {row["Reason"] for row in suppressed}
    assert person.phone not in owner.words()


def test_contacts_that_may_be_one_person_are_suggested_and_settled(agent, world):
    one, other = world.person(world.greeted), world.person(world.formula)
    (row,) = agent.table("/admin/leads/mergesuggestion/?dismissed_at__isempty=1")
    assert (row["Contact"], row["Perhaps the same as"]) == (one.name, other.name)

    agent.choose("They are two people")

    assert "Settled." in agent.words()
    assert agent.table("/admin/leads/mergesuggestion/?dismissed_at__isempty=1") == []


def test_a_conversation_shows_both_directions(owner, world):
    person = world.person(world.answered)
    owner.open(f"/admin/conversations/conversation/?q={person.phone.lstrip('+')}")
    owner.page.get_by_role("link", name=person.name).first.click()
    owner.page.wait_for_selector("#thread")

    bubbles = owner.page.locator("#thread article").all()
    said = [(bubble.get_attribute("data-direction"), bubble.inner_text()) for bubble in bubbles]
    assert [direction for direction, _ in said] == ["out", "in"]
    assert f"Hi {person.name.split()[0]}" in said[0][1]
    assert "written by the model" in said[0][1]
    assert ANSWER in said[1][1]
    assert owner.page.get_by_role("link", name=f"lead_{world.answered.pk.hex}").count() == 1
