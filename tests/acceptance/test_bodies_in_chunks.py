"""A body without a length is a body: streaming clients and proxies send such ones."""

import json

import pytest
import requests

from tests.acceptance.shop import somebody

MANY = 100


def post_in_chunks(shop, path, body):
    chunks = (body[at : at + MANY] for at in range(0, len(body), MANY))
    headers = {"Authorization": f"Bearer {shop.api_key}", "Content-Type": "application/json"}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{shop.stack.base_url}{path}", data=chunks, headers=headers, timeout=30)


def test_a_lead_in_chunks_is_captured_whole(shop):
    person = somebody()
    body = json.dumps(shop.body(person, message="long " * 300)).encode()

    answer = post_in_chunks(shop, "/api/v1/leads", body)

    assert answer.status_code == 202, answer.text
    assert shop.leads.get().message == ("long " * 300).strip()


@pytest.mark.parametrize("path", ["/api/v1/leads", "/api/v1/leads/batch", "/webhooks/whatsapp/nobody.x"])
def test_too_much_in_chunks_is_too_large(shop, path):
    chunks = (b"x" * 1_000_000 for _ in range(11))
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {shop.api_key}", "Content-Type": "application/json"}
        answer = session.post(f"{shop.stack.base_url}{path}", data=chunks, headers=headers, timeout=30)

    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (413, "too-large")
