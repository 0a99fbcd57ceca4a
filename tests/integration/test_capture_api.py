from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import orjson
import pytest
from django.db import connection
from django.test import Client

from accounts import services as accounts
from leads.api import serializers
from leads.models import ConsentRecord, Contact, Lead
from swiftex import clock
from swiftex.ids import parse_public_id
from tests.integration.leads_setup import NOTHING, Setup, make_setup

PHONE = "+919876543210"
LEAD = {"source": "website", "name": "Ann Lee", "phone": "98765 43210"}


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


def test_a_lead_is_202_with_its_id_and_due_time(acme) -> None:
    answer = acme.post(LEAD)

    body = answer.json()
    assert answer.status_code == 202
    assert set(body) == {"id", "duplicate", "contact_id", "received_at", "first_message_due_at", "url"}
    assert body["duplicate"] is False
    assert body["received_at"].endswith("Z")
    lead = Lead.objects.get(pk=parse_public_id("lead", body["id"]))
    assert lead.contact_id == parse_public_id("con", body["contact_id"])
    assert body["url"].endswith(f"/api/v1/leads/{body['id']}")
    assert clock.now() - lead.received_at < timedelta(seconds=5)


def test_a_duplicate_is_200_with_the_first_leads_id(acme) -> None:
    first = acme.post(LEAD)
    again = acme.post(LEAD)

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json() | {"duplicate": True}


def test_the_same_idempotency_key_gets_the_stored_bytes_and_no_touch(acme) -> None:
    first = acme.post(LEAD, **{"Idempotency-Key": "k"})
    again = acme.post(LEAD, **{"Idempotency-Key": "k"})
    changed = acme.post(LEAD | {"name": "Bo"}, **{"Idempotency-Key": "k"})

    assert (first.status_code, again.status_code, changed.status_code) == (202, 202, 422)
    assert again.content == first.content
    assert acme.counts()["touches"] == 1


def test_copies_with_one_key_at_once_are_one_lead(acme) -> None:
    def copy(_: int):
        try:
            return acme.post(LEAD, **{"Idempotency-Key": "k"})
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(copy, range(8)))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert acme.counts()["touches"] == 1


def test_everything_a_lead_may_carry_comes_back(acme) -> None:
    sent = LEAD | {
        "campaign": "spring", "external_id": "7", "email": "Ann@Example.com", "message": "Hello",
        "attributes": {"amount": 5, "urgent": True, "tags": ["a", "b"], "note": None, "rate": 1.5},
        "utm": {"source": "google", "gclid": "x"}, "consent": {"given": True, "text": "Yes", "version": "1"},
    }  # fmt: skip

    lead_id = acme.post(sent).json()["id"]

    lead = acme.client().get(f"/api/v1/leads/{lead_id}").json()
    expected = {
        "campaign": "spring", "external_id": "7", "email": "ann@example.com", "phone": PHONE, "message": "Hello",
        "attributes": sent["attributes"], "utm": sent["utm"], "consent": "granted", "name": "Ann Lee", "region": "IN",
        "source": "website", "source_kind": "api", "status": "new",
    }  # fmt: skip
    assert {name: lead[name] for name in expected} == expected
    assert lead["greeting"]["state"] == "pending"
    assert ConsentRecord.objects.get().evidence == {"text": "Yes", "version": "1"}


def test_lists_page_and_filter(acme) -> None:
    ids = [acme.post({"source": "website", "phone": f"+91987654321{n}"}).json()["id"] for n in range(5)]
    acme.post({"source": "second", "email": "e@example.com"})
    client = acme.client()

    first = client.get("/api/v1/leads?limit=2&source=website").json()
    rest = client.get("/api/v1/leads", {"source": "website", "cursor": first["next"]}).json()
    assert [lead["id"] for lead in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next"] is None
    past = (clock.now() - timedelta(hours=1)).isoformat()
    assert len(client.get("/api/v1/leads", {"received_at__gte": past, "status": "new"}).json()["data"]) == 6
    assert client.get("/api/v1/leads", {"received_at__lt": past}).json() == {"data": [], "next": None}
    assert len(client.get("/api/v1/contacts/", {"phone": "+919876543210"}).json()["data"]) == 1


@pytest.mark.parametrize("query", ["status=great", "colour=red", "received_at__gte=today", "limit=0", "cursor=x"])
def test_a_filter_that_cannot_be_read_is_refused_by_name(acme, query) -> None:
    answer = acme.client().get(f"/api/v1/leads?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.split("=")[0]


def test_the_timeline_begins_with_the_capture(acme) -> None:
    lead_id = acme.post(LEAD).json()["id"]
    acme.post(LEAD)

    timeline = acme.client().get(f"/api/v1/leads/{lead_id}/timeline").json()

    assert [moment["name"] for moment in timeline["moments"]] == ["received", "committed"]
    assert [entry["type"] for entry in timeline["entries"]] == ["lead.created", "lead.resubmitted"]
    assert timeline["entries"][0]["label"] == "Captured from website"
    assert timeline["slowest"] == "capture"


def test_opting_out_and_in_by_the_api(acme) -> None:
    contact_id = acme.post(LEAD).json()["contact_id"]
    url = f"/api/v1/contacts/{contact_id}/opt-out"
    client = acme.client()

    out = client.post(url, {"evidence": "by phone"}, content_type="application/json")
    assert out.status_code == 200
    assert out.json()["opted_out_at"] is not None
    assert Lead.objects.get().greeting_state == "suppressed"
    assert acme.counts()["greetings"] == 0
    assert client.delete(url).json()["opted_out_at"] is None
    assert Contact.objects.get().opted_out_at is None
    assert ConsentRecord.objects.count() == 2


def test_a_batch_answers_for_each_lead(acme) -> None:
    leads = [LEAD, {"source": "website", "phone": "12"}, LEAD, {"source": "website"}, 5, {"phone": PHONE}]

    answer = acme.client().post("/api/v1/leads/batch", {"leads": leads}, content_type="application/json")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["captured"], body["duplicates"], body["refused"]) == (1, 1, 4)
    assert [result["status"] for result in body["results"]] == [202, 400, 200, 400, 400, 400]
    assert [result["index"] for result in body["results"]] == list(range(6))
    assert body["results"][1]["problem"]["errors"] == [
        {"field": "phone", "reason": "not a possible number in IN", "code": "invalid"}
    ]
    assert body["results"][5]["problem"]["errors"][0]["field"] == "source"
    assert acme.counts()["leads"] == 1


def test_a_batch_repeated_with_its_key_gets_the_same_bytes(acme) -> None:
    def send(leads):
        return acme.client().post(
            "/api/v1/leads/batch", {"leads": leads}, content_type="application/json", headers={"Idempotency-Key": "b"}
        )

    first, again, other = send([LEAD, {}]), send([LEAD, {}]), send([LEAD])

    assert first.content == again.content
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert acme.counts()["touches"] == 1


def test_a_thousand_leads_in_one_batch_and_no_more(acme) -> None:
    leads = [{"source": "website", "phone": f"+9198{number:08}"} for number in range(1000)]
    client = acme.client()

    answer = client.post("/api/v1/leads/batch", orjson.dumps({"leads": leads}), content_type="application/json")
    too_many = client.post(
        "/api/v1/leads/batch", orjson.dumps({"leads": [*leads, LEAD]}), content_type="application/json"
    )

    assert answer.json()["captured"] == 1000
    assert (too_many.status_code, too_many.json()["errors"][0]["field"]) == (400, "leads")
    assert acme.counts()["leads"] == 1000


def test_a_third_batch_at_once_is_told_to_come_back(acme) -> None:
    at_once = Barrier(3)

    def send(batch: int):
        leads = [{"source": "website", "phone": f"+91981{batch}{number:06}"} for number in range(150)]
        at_once.wait()
        answer = acme.client().post("/api/v1/leads/batch", {"leads": leads}, content_type="application/json")
        connection.close()
        return answer

    with ThreadPoolExecutor(3) as pool:
        answers = sorted(pool.map(send, range(3)), key=lambda answer: answer.status_code)

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "2"
    assert acme.counts()["leads"] == 300


def test_another_organizations_rows_do_not_exist(acme) -> None:
    captured = acme.post(LEAD).json()
    other = make_setup()
    client = other.client()

    for url in (
        f"/api/v1/leads/{captured['id']}",
        f"/api/v1/leads/{captured['id']}/timeline",
        f"/api/v1/contacts/{captured['contact_id']}",
    ):
        assert client.get(url).status_code == 404
    opt_out = client.post(f"/api/v1/contacts/{captured['contact_id']}/opt-out", {}, content_type="application/json")
    assert opt_out.status_code == 404
    assert client.get("/api/v1/leads").json()["data"] == []
    assert Contact.objects.get().opted_out_at is None


def test_a_key_without_the_scope_is_refused(acme) -> None:
    reader = accounts.issue_api_key(
        organization_id=acme.organization.id, name="reader", scopes=["leads:read"], actor="command:test"
    )
    client = Client(headers={"Authorization": f"Bearer {reader.text}"})

    assert client.post("/api/v1/leads", LEAD, content_type="application/json").status_code == 403
    assert Client().post("/api/v1/leads", LEAD, content_type="application/json").status_code == 401
    assert client.get("/api/v1/leads").status_code == 200
    assert acme.counts() == NOTHING


def test_answers_have_the_keys_that_the_schema_promises(acme) -> None:
    captured = acme.post(LEAD).json()
    client = acme.client()

    for url, shape in (
        (f"/api/v1/leads/{captured['id']}", serializers.LeadSerializer),
        (f"/api/v1/leads/{captured['id']}/timeline", serializers.TimelineSerializer),
        (f"/api/v1/contacts/{captured['contact_id']}", serializers.ContactSerializer),
    ):
        assert set(client.get(url).json()) == set(shape().fields), url
    assert set(captured) == set(serializers.CapturedSerializer().fields)
