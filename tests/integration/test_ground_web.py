"""Probes, metrics, request ids, log lines, and what a request gets when the database is away."""

import json
import logging
import time

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory

from routing import heartbeats
from swiftex import middleware
from swiftex.observability import health
from swiftex.queues import Queue

LOOPBACK = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture(autouse=True)
def _nothing_seen_yet(monkeypatch):
    monkeypatch.setattr(health, "_reports", health._Reports())
    monkeypatch.setattr(health, "_is_known_whole", False)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


def report(client):
    health._reports._latest = None
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


# --- probes


def test_alive_asks_nothing(client):
    """No database mark on this test: a query would fail it."""
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/healthz/").status_code == 200


@pytest.fixture
def whole_stack(transactional_db, monkeypatch):
    """Every process beats; the broker is the real Redis."""
    heartbeats.beat(name="relay@here:1", role="relay")
    heartbeats.beat(name="worker@here:2", role="worker", queues=[queue.value for queue in Queue], slots=4)


@pytest.mark.usefixtures("whole_stack")
def test_ready_when_everything_was_seen_working(client):
    status, body = report(client)

    assert (status, body["status"], body["degraded"]) == (200, "ready", [])
    assert body["checks"] == dict.fromkeys(("database", "migrations", "redis", "broker", "relay", "workers"), "ok")


@pytest.mark.django_db(transaction=True)
def test_not_ready_before_the_stack_was_ever_whole(client):
    heartbeats.beat(name="relay@here:1", role="relay")
    heartbeats.beat(name="worker@here:2", role="worker", queues=["greeting", "reply"], slots=4)

    status, body = report(client)

    assert (status, body["status"]) == (503, "not ready")
    assert body["checks"]["workers"] == "none for followup, sync"
    assert body["checks"]["relay"] == "ok"


@pytest.mark.usefixtures("whole_stack")
def test_once_whole_it_stays_ready_without_relay_or_workers_and_says_what_is_missing(client):
    assert report(client)[0] == 200
    for name in ("relay@here:1", "worker@here:2"):
        heartbeats.forget(name)

    status, body = report(client)

    assert (status, body["status"], body["degraded"]) == (200, "ready", ["relay", "workers"])


@pytest.mark.usefixtures("whole_stack")
def test_a_web_process_that_is_born_later_knows_that_the_stack_was_whole(client, monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert report(client)[0] == 200
    monkeypatch.setattr(health, "_is_known_whole", False)
    heartbeats.forget("relay@here:1")

    assert report(client)[0] == 200


@pytest.mark.usefixtures("whole_stack")
def test_without_its_database_it_is_not_ready_whatever_was_seen_before(client, monkeypatch):
    assert report(client)[0] == 200

    def broken():
        raise OperationalError("gone")

    monkeypatch.setitem(health._checks, "database", broken)

    status, body = report(client)

    assert (status, body["checks"]["database"]) == (503, "unavailable")


@pytest.mark.usefixtures("whole_stack")
def test_many_probes_at_once_ask_once(client, django_assert_num_queries):
    assert report(client)[0] == 200

    with django_assert_num_queries(0):
        assert [client.get("/readyz").status_code for _ in range(10)] == [200] * 10


# --- metrics


def test_metrics_are_for_the_machine_itself(client):
    answer = client.get("/metrics", **LOOPBACK)

    assert answer.status_code == 200
    assert "swiftex_first_touch_seconds" in answer.content.decode()


@pytest.mark.parametrize(
    "caller", [{"REMOTE_ADDR": "203.0.113.9"}, {**LOOPBACK, "HTTP_X_FORWARDED_FOR": "203.0.113.9"}]
)
def test_metrics_are_not_for_others(client, caller):
    assert client.get("/metrics", **caller).status_code == 401


def test_with_a_token_only_the_token_counts(client, settings):
    settings.SWIFTEX_METRICS_TOKEN = "metrics-token-of-the-test"

    assert client.get("/metrics", **LOOPBACK).status_code == 401
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer wrong").status_code == 401
    right = client.get("/metrics", HTTP_AUTHORIZATION="Bearer metrics-token-of-the-test", REMOTE_ADDR="203.0.113.9")
    assert right.status_code == 200


# --- request ids, log lines, slashes


def test_a_decent_request_id_is_kept_and_any_other_replaced(client):
    kept = client.get("/healthz", HTTP_X_REQUEST_ID="partner-7f3a.1")
    replaced = client.get("/healthz", HTTP_X_REQUEST_ID="a b\nc" + "x" * 500)

    assert kept.headers["X-Request-ID"] == "partner-7f3a.1"
    assert len(replaced.headers["X-Request-ID"]) == 32
    assert client.get("/healthz").headers["X-Request-ID"] != replaced.headers["X-Request-ID"]


def test_the_log_line_of_a_request_has_no_query_string(client, caplog):
    with caplog.at_level(logging.INFO, logger="swiftex.requests"):
        client.get("/api/v1/nothing-here?phone=%2B4915112345678")

    (record,) = [each for each in caplog.records if each.name == "swiftex.requests"]
    assert (record.path, record.status, record.method) == ("/api/v1/nothing-here", 404, "GET")
    assert "4915112345678" not in str(record.__dict__)


def test_behind_proxies_the_caller_is_who_the_outermost_saw(settings):
    settings.SWIFTEX_PROXY_HOPS = 2
    seen = []

    def view(request):
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    ask = middleware.RequestMiddleware(view)
    factory = RequestFactory(REMOTE_ADDR="10.0.0.1")
    ask(factory.get("/x", HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.9, 10.0.0.2"))
    ask(factory.get("/x", HTTP_X_FORWARDED_FOR="203.0.113.9"))
    settings.SWIFTEX_PROXY_HOPS = 0
    ask(factory.get("/x", HTTP_X_FORWARDED_FOR="6.6.6.6"))

    assert seen == ["203.0.113.9", "10.0.0.1", "10.0.0.1"]


def test_pages_load_no_foreign_code_and_may_not_be_framed(client):
    policy = client.get("/api/docs").headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert "Content-Security-Policy" not in client.get("/healthz").headers


def test_the_schema_of_the_api_and_its_pages_are_served(client):
    schema = client.get("/api/schema").json()

    assert schema["openapi"].startswith("3.1")
    assert "/api/v1/leads" in schema["paths"]
    assert schema["components"]["securitySchemes"]["apiKey"].items() >= {"type": "http", "scheme": "bearer"}.items()
    for page in ("/api/docs", "/api/redoc", "/api/docs/"):
        text = client.get(page).content.decode()
        assert "https://cdn" not in text


# --- the database is away


def _failing(_request):
    raise OperationalError("server closed the connection: host=secret-host")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("application/json", "application/problem+json"), ("text/html,*/*", "text/plain; charset=utf-8")],
)
def test_a_view_that_the_database_fails_is_a_503_with_retry_after(accept, kind):
    request = RequestFactory().get("/forms/acme.web", HTTP_ACCEPT=accept)

    answer = middleware.DatabaseDeadlineMiddleware(_failing).process_exception(request, OperationalError("secret-host"))

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Content-Type"] == kind
    assert "secret-host" not in answer.content.decode()


def test_other_errors_are_not_taken_for_an_outage():
    ask = middleware.DatabaseDeadlineMiddleware(_failing)

    assert ask.process_exception(RequestFactory().get("/"), ValueError("x")) is None


def test_an_outage_outside_of_a_view_is_a_503_too(client, monkeypatch):
    from swiftex import urls

    request = RequestFactory().get("/api/v1/leads")
    try:
        raise OperationalError("gone")
    except OperationalError:
        answer = urls.handler500(request)
    assert (answer.status_code, json.loads(answer.content)["status"]) == (503, 503)
    try:
        raise ValueError("bug")
    except ValueError:
        answer = urls.handler500(request)
    assert answer.status_code == 500
    assert b"bug" not in answer.content


def test_requests_have_a_deadline_and_the_admin_a_longer_one(settings):
    from swiftex.postgresql.base import deadline_at

    left = {}

    def view(request):
        left[request.path] = deadline_at.get() - time.monotonic()
        return HttpResponse()

    ask = middleware.DatabaseDeadlineMiddleware(view)
    for path in ("/api/v1/leads", "/webhooks/whatsapp/acme.wa", "/admin/leads/"):
        ask(RequestFactory().get(path))

    assert 1.4 < left["/api/v1/leads"] <= 1.5
    assert 1.4 < left["/webhooks/whatsapp/acme.wa"] <= 1.5
    assert 19 < left["/admin/leads/"] <= 20
    assert deadline_at.get() is None


# --- logins


@pytest.mark.django_db(transaction=True)
def test_guessing_a_password_ends_after_five_tries_for_that_name_from_that_address(client, caplog, django_user_model):
    django_user_model.objects.create_superuser("oncall-person", password="the-right-password")

    def log_in(password, address="203.0.113.9"):
        fields = {"username": "oncall-person", "password": password}
        return client.post("/admin/login/", fields, REMOTE_ADDR=address).status_code

    assert [log_in("wrong") for _ in range(5)][-1] == 429
    assert log_in("the-right-password") == 429
    assert log_in("the-right-password", address="203.0.113.10") == 302
    assert not [record for record in caplog.records if "oncall-person" in record.getMessage()]
