"""Bodies that no lead can be made of: never a 500, always the field's name, and nothing is written."""

import json

import pytest

from tests.integration.leads_setup import NOTHING, Setup, make_setup

GOOD = {"source": "website", "phone": "+919876543210"}


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


def deep(levels: int) -> str:
    return (
        '{"source": "website", "phone": "+919876543210", "attributes": ' + '{"a":' * levels + "1" + "}" * levels + "}"
    )


TABLE = [
    # what, body, field
    ("empty", "", "source"),
    ("not JSON", "{", ""),
    ("a list", "[]", ""),
    ("a text", '"x"', ""),
    ("null", "null", ""),
    ("nothing in it", {}, "source"),
    ("no source", {"phone": "+919876543210"}, "source"),
    ("unknown source", {"source": "nobody", "phone": "+919876543210"}, "source"),
    ("source is a list", {**GOOD, "source": ["website"]}, "source"),
    ("source too long", {**GOOD, "source": "x" * 65}, "source"),
    ("neither phone nor e-mail", {"source": "website"}, "phone"),
    ("blank phone", {"source": "website", "phone": "  "}, "phone"),
    ("null phone", {"source": "website", "phone": None}, "phone"),
    ("phone is an object", {**GOOD, "phone": {"a": 1}}, "phone"),
    ("phone is true", {**GOOD, "phone": True}, "phone"),
    ("phone is a word", {**GOOD, "phone": "call me"}, "phone"),
    ("phone too short", {**GOOD, "phone": "123"}, "phone"),
    ("phone too long", {**GOOD, "phone": "1" * 65}, "phone"),
    ("phone of 1 MB less a bit", {**GOOD, "phone": "1" * 900_000}, "phone"),
    ("e-mail without at", {"source": "website", "email": "ann"}, "email"),
    ("e-mail with a blank", {"source": "website", "email": "a b@example.com"}, "email"),
    ("e-mail with a line break", {"source": "website", "email": "a@example.com\nBcc: b@example.com"}, "email"),
    ("e-mail too long", {"source": "website", "email": "a" * 250 + "@example.com"}, "email"),
    ("e-mail with a domain that cannot be", {"source": "website", "email": "a@-x-.com"}, "email"),
    ("name too long", {**GOOD, "name": "x" * 201}, "name"),
    ("name is a number in a list", {**GOOD, "name": [1]}, "name"),
    ("message too long", {**GOOD, "message": "x" * 5001}, "message"),
    ("campaign too long", {**GOOD, "campaign": "x" * 201}, "campaign"),
    ("external id too long", {**GOOD, "external_id": "x" * 201}, "external_id"),
    ("attributes is a list", {**GOOD, "attributes": []}, "attributes"),
    ("attributes is a text", {**GOOD, "attributes": "x"}, "attributes"),
    ("attributes too many", {**GOOD, "attributes": {str(n): n for n in range(51)}}, "attributes"),
    ("attribute nested", {**GOOD, "attributes": {"a": {"b": 1}}}, "attributes.a"),
    ("attribute too long", {**GOOD, "attributes": {"a": "x" * 2001}}, "attributes.a"),
    ("attribute list too long", {**GOOD, "attributes": {"a": [1] * 21}}, "attributes.a"),
    ("attribute too large", {**GOOD, "attributes": {"a": 2**53}}, "attributes.a"),
    ("attribute key too long", {**GOOD, "attributes": {"k" * 65: 1}}, "attributes." + "k" * 64),
    ("utm too long", {**GOOD, "utm": {"source": "x" * 501}}, "utm.source"),
    ("consent is a text", {**GOOD, "consent": "yes"}, "consent"),
    ("consent without given", {**GOOD, "consent": {"text": "x"}}, "consent.given"),
    ("consent with more", {**GOOD, "consent": {"given": True, "secret": 1}}, "consent.secret"),
    ("consent text is a number", {**GOOD, "consent": {"given": True, "text": 1}}, "consent.text"),
    ("consent needed", {**GOOD, "source": "landing"}, "consent"),
    ("NUL in a name", '{"source": "website", "phone": "+919876543210", "name": "a\\u0000b"}', "name"),
    ("NUL in an attribute", '{"source": "website", "phone": "1", "attributes": {"a": "\\u0000"}}', "attributes.a"),
    ("NUL in a key", '{"source": "website", "phone": "+919876543210", "attributes": {"\\u0000": 1}}', "attributes"),
    ("lone surrogate", '{"source": "website", "phone": "+919876543210", "name": "\\ud800"}', "name"),
    ("not a number", '{"source": "website", "phone": "+919876543210", "attributes": {"a": NaN}}', "attributes.a"),
    ("infinite", '{"source": "website", "phone": "+919876543210", "attributes": {"a": 1e999}}', "attributes.a"),
    ("invalid UTF-8", b'{"source": "website", "phone": "+919876543210", "name": "\xff"}', ""),
    ("deep", deep(40), "attributes"),
    ("very deep", deep(10_000), ""),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body", "field"), TABLE, ids=[row[0] for row in TABLE])
def test_a_wrong_body_is_refused_by_field_and_nothing_is_written(acme, what, body, field) -> None:
    raw = json.dumps(body) if isinstance(body, dict) else body

    answer = acme.client().post("/api/v1/leads", raw, content_type="application/json")

    assert answer.status_code == 400, (what, answer.content[:300])
    assert answer["Content-Type"] == "application/problem+json"
    fields = [error["field"] for error in answer.json()["errors"]]
    assert any(name == field or name.startswith(f"{field}.") for name in fields), (what, answer.json())
    assert acme.counts() == NOTHING


def test_ten_megabytes_are_too_much(acme) -> None:
    body = json.dumps({**GOOD, "message": "x" * 10_000_000})

    for url in ("/api/v1/leads", "/api/v1/leads/batch"):
        assert acme.client().post(url, body, content_type="application/json").status_code == 413
    assert acme.counts() == NOTHING


def test_another_content_type_is_not_taken(acme) -> None:
    assert (
        acme.client().post("/api/v1/leads", "a=b", content_type="application/x-www-form-urlencoded").status_code == 415
    )
    assert acme.counts() == NOTHING


TEXTS = [
    "\U0001f600" * 100,
    "\u202eannA",
    "a\ufffdb",
    "x" * 200,
    "<script>alert(1)</script>",
    "=1+1",
    "\ufeff",
    "'; --",
]


@pytest.mark.parametrize("text", TEXTS)
def test_odd_but_possible_text_is_kept_as_it_is(acme, text) -> None:
    answer = acme.post({**GOOD, "name": text, "message": text, "campaign": text, "attributes": {"a": text}})

    assert answer.status_code == 202
    lead = acme.client().get(f"/api/v1/leads/{answer.json()['id']}").json()
    assert lead["attributes"] == {"a": text}
    assert lead["message"] == text.strip()
