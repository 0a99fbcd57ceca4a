"""Errors tell machines what is wrong in one form, people in one line, and nobody anything about our insides."""

import pytest
from django.conf import settings
from django.test import Client

from accounts import services
from accounts.models import Organization
from tests.integration.leads_setup import make_setup

pytestmark = pytest.mark.django_db

PROBLEM = "application/problem+json"
INSIDES = ("Traceback", "psycopg", "SELECT ", "django", str(settings.BASE_DIR), "site-packages")


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def key_header() -> dict[str, str]:
    acme = Organization.objects.create(slug="acme", name="Acme")
    key = services.issue_api_key(organization_id=acme.pk, name="all", scopes=["*"], actor="command:test")
    return {"HTTP_AUTHORIZATION": f"Bearer {key.text}"}


def assert_problem(answer, status: int, type_: str) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM)
    body = answer.json()
    assert body["type"] == f"https://swiftex.dev/problems/{type_}"
    assert (body["status"], body["correlation_id"]) == (status, answer.headers["X-Request-ID"])
    assert not [word for word in INSIDES if word in answer.content.decode()]


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [
        ("GET", "/api/v1/leads", 401, "unauthenticated"),
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("GET", "/api/nothing", 404, "not-found"),
        ("GET", "/api/v1/%00", 404, "not-found"),
        ("GET", "/webhooks/nobody/acme.x", 404, "not-found"),
        ("GET", "/webhooks/whatsapp/acme.x", 403, "forbidden"),
        ("PUT", "/webhooks/whatsapp/acme.x", 405, "method-not-allowed"),
        ("GET", "/webhooks/twilio/acme.x/sms", 405, "method-not-allowed"),
        ("POST", "/webhooks/whatsapp/acme.x", 401, "bad-signature"),
        ("POST", "/webhooks/twilio/acme.x/status", 401, "bad-signature"),
        ("POST", "/webhooks/twilio/acme.x/other", 404, "not-found"),
    ],
)
def test_every_error_for_a_machine_is_a_problem_with_the_requests_id(client, method, path, status, type_):
    answer = client.generic(method, path, b"{}", content_type="application/json")

    assert_problem(answer, status, type_)


@pytest.mark.parametrize("path", ["/api/v1/leads", "/webhooks/whatsapp/acme.x"])
def test_a_wrong_host_name_is_a_problem_too(client, path):
    assert_problem(client.get(path, HTTP_HOST="evil.example"), 400, "validation")


@pytest.mark.parametrize("path", ["/api/v1/leads", "/api/v1/leads/batch", "/api/v1/messages"])
def test_a_method_that_a_route_has_not_is_a_405_that_names_those_it_has(client, key_header, path):
    answer = client.generic("PUT", path, b"{}", content_type="application/json", **key_header)

    assert_problem(answer, 405, "method-not-allowed")
    assert "PUT" not in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        ("/api/v1/leads", "SWIFTEX_API_MAX_BODY_BYTES"),
        ("/webhooks/whatsapp/acme.x", "SWIFTEX_CALLBACK_MAX_BODY_BYTES"),
        ("/webhooks/twilio/acme.x/sms", "SWIFTEX_CALLBACK_MAX_BODY_BYTES"),
    ],
)
def test_one_byte_above_the_limit_is_too_large_and_the_limit_itself_is_not(client, key_header, settings, path, setting):
    setattr(settings, setting, 2_000)

    def post(size: int):
        return client.post(path, b"x" * size, content_type="application/json", **key_header)

    assert_problem(post(2_001), 413, "too-large")
    assert post(2_000).status_code in {400, 401}


def test_a_form_that_is_too_large_is_a_413_in_one_line(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000
    path = f"/forms/{make_setup().organization.slug}.landing"

    answer = client.post(path, b"name=" + b"x" * 2_000, content_type="application/x-www-form-urlencoded")

    assert (answer.status_code, answer.content) == (413, b"The body is too large\n")


def test_people_get_a_line_without_insides(client):
    assert client.get("/nothing").content == b"Not found\n"
    assert client.get("/admin/login/", HTTP_HOST="evil.example").content == b"Bad request\n"
