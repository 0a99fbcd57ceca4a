import csv
import io
import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from accounts import services as accounts
from accounts.models import Role
from leads.greeting_state import mark_greeting
from leads.models import ConsentRecord, Contact, Lead, LeadNote, LeadSource
from routing.models import Event, Job
from tests.integration.leads_setup import NOTHING, RECEIVED_AT, Setup, make_setup

PHONE = "+919876543210"
PROBE = '<script>alert("x")</script>'
SAVE = {
    "notes-TOTAL_FORMS": 0, "notes-INITIAL_FORMS": 0, "touches-TOTAL_FORMS": 0, "touches-INITIAL_FORMS": 0,
    "status": "new", "owner": "", "tags": "",
}  # fmt: skip
LIST = reverse("admin:leads_lead_changelist")


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


def person(setup: Setup, role: Role, name: str | None = None) -> Client:
    username = name or f"{role}-{setup.organization.slug}"
    accounts.add_member(
        organization_id=setup.organization.id, username=username, role=role, actor="command:test",
        password="a-long-password-7", email=f"{username}@example.com",
    )  # fmt: skip
    client = Client()
    client.force_login(get_user_model().objects.get(username=username), "django.contrib.auth.backends.ModelBackend")
    return client


def change_url(lead_id) -> str:
    return reverse("admin:leads_lead_change", args=[lead_id])


def act(client: Client, name: str, *lead_ids) -> str:
    answer = client.post(LIST, {"action": name, "_selected_action": [str(pk) for pk in lead_ids]}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_finds_and_filters(acme) -> None:
    client = person(acme, Role.AGENT)
    ann = acme.capture(phone=PHONE, name="Ann Lee")
    acme.capture(email="bo@example.com", name="Bo", source="second")

    page = client.get(LIST).content.decode()
    assert "Ann Lee" in page
    assert "Bo" in page
    for query in ("q=Ann", f"q={'lead_' + ann.lead_id.hex}", f"source__id__exact={acme.source.id}", "q=9876543210"):
        found = client.get(f"{LIST}?{query}").content.decode()
        assert "Ann Lee" in found, query
        assert "bo@example.com" not in found, query
    assert client.get(f"{LIST}?received_at__year=2026&status=new").status_code == 200


def test_a_lead_page_shows_timeline_and_waterfall_and_escapes_everything(acme) -> None:
    client = person(acme, Role.VIEWER)
    captured = acme.capture(
        phone=PHONE, name=PROBE, message=PROBE, campaign=PROBE, attributes={PROBE: PROBE}, utm={"source": PROBE}
    )
    acme.capture(phone=PHONE)

    page = client.get(change_url(captured.lead_id))

    html = page.content.decode()
    assert page.status_code == 200
    assert PROBE not in html
    assert "&lt;script&gt;alert" in html
    assert "Slowest part: <strong>capture</strong>" in html
    assert "Captured from website" in html
    assert "Came in again from website, known by phone" in html
    assert re.search(r"<rect [^>]*width=", html)
    assert f"lead_{captured.lead_id.hex}" in html


def test_a_lead_entered_by_hand_is_captured_and_greeted(acme) -> None:
    client = person(acme, Role.AGENT)
    url = reverse("admin:leads_lead_add")

    assert client.get(url).status_code == 200
    wrong = client.post(url, {"name": "Ann", "phone": "12"})
    assert "Not a possible number in IN" in wrong.content.decode()
    assert acme.counts() == NOTHING
    client.post(url, {"name": "Ann", "phone": "98765 43210", "message": "Hi"})
    again = client.post(url, {"phone": PHONE}, follow=True)

    lead = Lead.objects.get()
    assert (lead.source.kind, lead.phone, lead.message) == ("admin", PHONE, "Hi")
    assert "a touch was added" in again.content.decode()
    assert acme.counts()["greetings"] == 1
    assert acme.counts()["touches"] == 2


def test_status_owner_and_notes_are_changed_and_signed(acme) -> None:
    client = person(acme, Role.AGENT, "agnes")
    agnes = get_user_model().objects.get(username="agnes")
    captured = acme.capture(phone=PHONE)
    note = {"notes-TOTAL_FORMS": 1, "notes-0-text": "Call back", "notes-0-lead": str(captured.lead_id)}

    answer = client.post(
        change_url(captured.lead_id), SAVE | note | {"status": "qualified", "owner": agnes.pk, "tags": "hot, vip"}
    )

    assert answer.status_code == 302, re.findall(r"errorlist.*", answer.content.decode())
    lead = Lead.objects.get()
    assert (lead.status, lead.owner, lead.tags) == ("qualified", agnes, ["hot", "vip"])
    written = LeadNote.objects.get()
    assert (written.text, written.author, written.organization_id) == ("Call back", agnes, acme.organization.id)
    assert Event.objects.get(type="lead.assigned").data["owner_id"] == agnes.pk


def test_greet_again_owes_a_failed_greeting_once_more_and_no_other(acme) -> None:
    client = person(acme, Role.AGENT)
    failed, greeted, fresh = (acme.capture(phone=f"+91987654321{n}").lead_id for n in range(3))
    Job.objects.all().delete()
    for lead_id, state in ((failed, "failed"), (greeted, "greeted")):
        mark_greeting(organization_id=acme.organization.id, lead_id=lead_id, state=state, channel="wa", at=RECEIVED_AT)

    page = act(client, "greet_chosen_again", failed, greeted, fresh)
    act(client, "greet_chosen_again", failed, greeted, fresh)

    assert "2 will be greeted now" in page
    assert "it was greeted" in page
    assert set(Job.objects.filter(kind="greet_lead").values_list("key", flat=True)) == {
        f"greet:{failed}", f"greet:{fresh}",
    }  # fmt: skip
    assert list(Lead.objects.order_by("pk").values_list("greeting_state", "greeting_round")) == [
        ("pending", 2), ("greeted", 1), ("pending", 1),
    ]  # fmt: skip


def test_spam_is_set_aside_and_released(acme) -> None:
    client = person(acme, Role.AGENT)
    lead_id = acme.capture(phone=PHONE).lead_id

    act(client, "mark_as_spam", lead_id)
    lead = Lead.objects.get()
    assert (lead.status, lead.greeting_state, lead.greeting_reason) == ("spam", "suppressed", "spam")
    assert acme.counts()["greetings"] == 0
    assert Event.objects.filter(type__in=["lead.marked_spam", "message.suppressed"]).count() == 2

    act(client, "release_from_spam", lead_id)
    lead.refresh_from_db()
    assert (lead.status, lead.greeting_state) == ("new", "pending")
    assert acme.counts()["greetings"] == 1


def test_assigning_to_oneself(acme) -> None:
    client = person(acme, Role.AGENT, "agnes")
    lead_id = acme.capture(phone=PHONE).lead_id

    assert "1 lead assigned to you" in act(client, "assign_to_me", lead_id)
    assert Lead.objects.get().owner.username == "agnes"


def test_an_export_makes_formulas_text(acme) -> None:
    client = person(acme, Role.AGENT)
    for number, start in enumerate("=+-@\t"):
        acme.capture(phone=f"+91987654321{number}", message=f"{start}cmd", campaign=f"{start}1")

    answer = client.post(
        f"{LIST}export/",
        {"format": "0", "resource": "0"}
        | {f"leadresource_{name}": "on" for name in ("id", "phone", "message", "campaign")},
    )

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert len(rows) == 5
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), row


def test_a_contact_page_and_opting_out_and_in(acme) -> None:
    client = person(acme, Role.AGENT)
    captured = acme.capture(phone=PHONE, email="ann@example.com", name=PROBE)
    url = reverse("admin:leads_contact_changelist")

    page = client.get(reverse("admin:leads_contact_change", args=[captured.contact_id])).content.decode()
    assert PROBE not in page
    assert "ann@example.com" in page
    for action, is_out in (("opt_out_chosen", True), ("opt_in_chosen", False)):
        client.post(url, {"action": action, "_selected_action": [str(captured.contact_id)]})
        assert Contact.objects.get().is_opted_out is is_out
    assert ConsentRecord.objects.count() == 2
    assert "user:" in ConsentRecord.objects.first().evidence["by"]


def test_a_viewer_reads_and_changes_nothing(acme) -> None:
    client = person(acme, Role.VIEWER)
    lead_id = acme.capture(phone=PHONE).lead_id

    assert client.get(LIST).status_code == 200
    client.post(change_url(lead_id), SAVE | {"status": "closed"})
    client.post(LIST, {"action": "mark_as_spam", "_selected_action": [str(lead_id)]})
    assert client.get(reverse("admin:leads_lead_add")).status_code == 403
    assert client.get(f"{LIST}export/").status_code == 403
    assert Lead.objects.get().status == "new"


def test_another_organization_sees_and_touches_nothing(acme) -> None:
    lead_id = acme.capture(phone=PHONE, name="Ann Lee").lead_id
    client = person(make_setup(), Role.OWNER)

    assert "Ann Lee" not in client.get(LIST).content.decode()
    assert client.get(change_url(lead_id)).status_code in (302, 404)
    act(client, "mark_as_spam", lead_id)
    assert Lead.objects.get().status == "new"
    assert str(acme.source.id) not in client.get(LIST).content.decode()


def test_every_page_of_leads_opens_for_a_manager(acme) -> None:
    client = person(acme, Role.MANAGER)
    acme.capture(phone=PHONE)
    acme.capture(email="a@example.com")
    acme.capture(phone=PHONE, email="a@example.com")
    act(client, "mark_as_spam")

    for model in ("lead", "contact", "leadsource", "touch", "consentrecord", "mergesuggestion", "suppression"):
        assert client.get(reverse(f"admin:leads_{model}_changelist")).status_code == 200, model
    source = LeadSource.objects.get(organization=acme.organization, key="landing")
    page = client.get(reverse("admin:leads_leadsource_change", args=[source.pk])).content.decode()
    assert f"/forms/{acme.organization.slug}.landing" in page


def test_a_source_is_added_with_a_secret_that_is_never_shown(acme) -> None:
    client = person(acme, Role.MANAGER)
    values = {
        "key": "google", "kind": "google_leads", "consent": "assumed", "fields": "[]", "google_key": "hush-hush",
        "is_active": "on",
    }  # fmt: skip

    answer = client.post(reverse("admin:leads_leadsource_add"), values)

    assert answer.status_code == 302, re.findall(r"errorlist.*", answer.content.decode())
    source = LeadSource.objects.get(organization=acme.organization, key="google")
    assert dict(source.credentials) == {"google_key": "hush-hush"}
    page = client.get(reverse("admin:leads_leadsource_change", args=[source.pk])).content.decode()
    assert "hush-hush" not in page
    assert "Stored. Leave empty to keep it." in page
