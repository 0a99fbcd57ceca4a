"""What whoever is on call relies on: honest answers in outages, recovery by itself, one story in logs and metrics."""

import json
import re
import time

import pytest
import requests
from django.db import connection

from tests.acceptance.shop import somebody, until

PROCESSES = ("web.1", "relay.1", "relay.2", "worker-greeting.1", "worker-greeting.2", "worker-reply.1")


def answer_of(stack, path):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{stack.base_url}{path}", timeout=10)


def submit_during_outage(shop):
    """(status, seconds) of one submission, asserted to be an honest refusal."""
    began = time.monotonic()
    answer = shop.post(shop.body(somebody()))
    seconds = time.monotonic() - began
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    return seconds


@pytest.mark.parametrize("outage", ["frozen", "killed"])
def test_without_its_database_capture_says_503_within_2_s_and_works_again_by_itself(stack, shop, outage):
    web_before = stack.pids("web")
    shop.submit()
    if outage == "frozen":
        stack.freeze("postgres")
    else:
        stack.kill("postgres", starts_again=False)

    seconds = [submit_during_outage(shop) for _ in range(6)]
    assert answer_of(stack, "/healthz").status_code == 200
    assert answer_of(stack, "/readyz").status_code == 503

    if outage == "frozen":
        stack.thaw("postgres")
    else:
        stack.start_service("postgres")
    connection.close()  # the test's own
    began = time.monotonic()
    person = somebody()
    until(lambda: shop.post(shop.body(person)).status_code in {200, 202}, within_s=10, what="capture")

    assert max(seconds) < 2.0
    assert time.monotonic() - began < 5
    assert stack.pids("web") == web_before
    until(lambda: answer_of(stack, "/readyz").status_code == 200, within_s=20, what="readiness")


def test_a_missing_relay_is_listed_and_does_not_take_the_web_out_of_service(stack, shop):
    until(lambda: answer_of(stack, "/readyz").json()["degraded"] == [], within_s=5, what="a whole stack")
    stack.stop_process("relay")

    report = until(
        lambda: (found := answer_of(stack, "/readyz")).json()["degraded"] and found, within_s=25, what="the report"
    )

    assert (report.status_code, report.json()["degraded"]) == (200, ["relay"])
    shop.submit()


def metric(stack, name):
    """The sum over all labels that are not given."""
    text = answer_of(stack, "/metrics").text
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def test_metrics_of_workers_and_relays_appear_at_the_web(stack, shop):
    names = (
        'swiftex_first_touch_seconds_count{channel="whatsapp_cloud"}',
        'swiftex_queue_wait_seconds_count{queue="greeting"}',
        'swiftex_jobs_dispatched_total{queue="greeting"}',
        "swiftex_events_received_total",
    )
    before = {name: metric(stack, name) for name in names}

    shop.submit_many(5)

    for name in names:
        until(lambda name=name: metric(stack, name) >= before[name] + 5, within_s=20, what=name)
    until(lambda: metric(stack, "swiftex_relays") == 2, within_s=20, what="the second relay")


def test_logs_are_json_follow_a_lead_through_all_processes_and_hold_no_personal_data(stack, shop):
    person = somebody()
    lead = shop.submit(person, message="my canary question")
    until(lambda: "greeting" in _lines_of(stack, str(lead.id)) or _greeted(lead), within_s=20, what="the greeting")

    everything = "\n".join(stack.log(name) for name in PROCESSES)
    for secret in (person.phone, person.digits, person.email, person.name, "my canary question", shop.api_key):
        assert secret not in everything
    requests_lines = [line for line in _objects(stack.log("web.1")) if line.get("path") == "/api/v1/leads"]
    assert requests_lines
    assert all(line["request_id"] and line["status"] for line in requests_lines)


def _greeted(lead):
    lead.refresh_from_db()
    return lead.greeting_state == "greeted"


def _lines_of(stack, text):
    return "\n".join(line for name in PROCESSES for line in stack.log(name).splitlines() if text in line)


def _objects(text):
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
