import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.api import authentication, limits
from accounts.models import ApiKey, AuditEntry, Organization
from accounts.selectors import KEY_CACHE_S

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.integration.accounts_urls")]
PROBLEM = "https://swiftex.dev/problems/"


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    authentication.forget_known_keys()
    yield
    authentication.forget_known_keys()


@pytest.fixture
def organization() -> Organization:
    return Organization.objects.create(slug="acme", name="Acme")


@pytest.fixture
def key(organization: Organization) -> services.IssuedKey:
    return services.issue_api_key(
        organization_id=organization.pk, name="website", scopes=["leads:read", "leads:write"], actor="command:test"
    )


def client_with(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_key_is_stored_hashed_and_its_making_is_audited(key: services.IssuedKey) -> None:
    row = ApiKey.objects.get(pk=key.id)
    assert key.text.encode() not in bytes(row.hashed_key)
    assert key.text.startswith(row.prefix)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.actor) == ("api_key.created", row.public_id, "command:test")
    assert key.text not in str(entry.details)


def test_valid_key_names_the_organization_and_notes_its_use(key: services.IssuedKey, organization) -> None:
    answer = client_with(key.text).get("/api/v1/echo")

    assert answer.status_code == 200
    assert answer.json() == {"organization_id": str(organization.pk)}
    assert int(answer["RateLimit-Remaining"]) > 0
    assert ApiKey.objects.get(pk=key.id).last_used_at is not None


@pytest.mark.parametrize("header", [None, "Bearer nope", "Basic x", "Bearer", "Bearer " + "x" * 300])
def test_request_without_a_valid_key_is_401(key: services.IssuedKey, header: str | None) -> None:
    answer = Client(headers={"Authorization": header} if header else {}).get("/api/v1/echo")

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["type"] == PROBLEM + "unauthenticated"


def test_revoked_key_is_refused_when_the_cache_has_aged(key: services.IssuedKey, organization: Organization) -> None:
    client = client_with(key.text)
    assert client.get("/api/v1/echo").status_code == 200

    assert services.revoke_api_key(organization_id=organization.pk, key_id=key.id, actor="user:1", now=timezone.now())
    authentication.forget_known_keys()

    assert KEY_CACHE_S < 5
    assert client.get("/api/v1/echo").status_code == 401
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


def test_revoked_key_is_refused_within_five_seconds(key: services.IssuedKey, organization: Organization) -> None:
    client = client_with(key.text)
    assert client.get("/api/v1/echo").status_code == 200

    services.revoke_api_key(organization_id=organization.pk, key_id=key.id, actor="user:1", now=timezone.now())
    began, pause = time.monotonic(), threading.Event()
    while client.get("/api/v1/echo").status_code == 200:
        pause.wait(0.1)

    assert time.monotonic() - began < 5


def test_expired_key_and_inactive_organization_are_refused(key: services.IssuedKey, organization) -> None:
    client = client_with(key.text)
    ApiKey.objects.filter(pk=key.id).update(expires_at=timezone.now() + timedelta(milliseconds=300))
    assert client.get("/api/v1/echo").status_code == 200
    ApiKey.objects.filter(pk=key.id).update(expires_at=timezone.now())
    authentication.forget_known_keys()
    assert client.get("/api/v1/echo").status_code == 401

    ApiKey.objects.filter(pk=key.id).update(expires_at=None)
    Organization.objects.update(is_active=False)
    authentication.forget_known_keys()
    assert client.get("/api/v1/echo").status_code == 401


def test_key_without_the_scope_is_403_and_a_method_without_a_scope_too(organization: Organization) -> None:
    reader = services.issue_api_key(
        organization_id=organization.pk, name="reader", scopes=["leads:read"], actor="command:test"
    )
    everything = services.issue_api_key(organization_id=organization.pk, name="all", scopes=["*"], actor="command:test")

    assert client_with(reader.text).get("/api/v1/echo").status_code == 200
    refused = client_with(reader.text).post("/api/v1/echo", {"name": "a"}, content_type="application/json")
    assert (refused.status_code, refused.json()["type"]) == (403, PROBLEM + "forbidden")
    assert client_with(everything.text).delete("/api/v1/echo").status_code in {403, 405}


@pytest.mark.parametrize(("scopes", "name"), [([], "a"), (["leads:delete"], "a"), (["leads:read"], "website")])
def test_key_that_cannot_be_is_refused(key: services.IssuedKey, organization, scopes: list[str], name: str) -> None:
    with pytest.raises(ValueError, match=r"scopes|name"):
        services.issue_api_key(organization_id=organization.pk, name=name, scopes=scopes, actor="command:test")

    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field", "kind"),
    [
        (b'{"name": "a\\u0000"}', "name", "malformed-body"),
        (b'{"name": "\\ud800"}', "name", "malformed-body"),
        (b"{", "", "malformed-body"),
        (b"[]", "", "malformed-body"),
        (b"{}", "name", "validation"),
        (b'{"name": {}}', "name", "validation"),
        (b'{"name": "abcdef"}', "name", "validation"),
        (b'{"name": "a", "items": [{"phone": "1"}, {"phone": "123456"}]}', "items[1].phone", "validation"),
        (b'{"name": "a", "items": 5}', "items", "validation"),
    ],
)
def test_wrong_body_is_400_and_names_the_field(key: services.IssuedKey, body: bytes, field: str, kind: str) -> None:
    answer = client_with(key.text).generic("POST", "/api/v1/echo", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["type"] == PROBLEM + kind
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["errors"][0]["reason"]


def test_body_over_the_limit_is_413_announced_or_not(key: services.IssuedKey) -> None:
    client = client_with(key.text)
    at_limit = b'{"name": "abcd"}    '
    assert len(at_limit) == 20

    assert client.generic("POST", "/api/v1/small", at_limit, content_type="application/json").status_code == 202
    over = client.generic("POST", "/api/v1/small", at_limit + b" ", content_type="application/json")
    assert (over.status_code, over.json()["type"]) == (413, PROBLEM + "too-large")
    huge = client.generic("POST", "/api/v1/echo", b"x" * 10_000_000, content_type="application/json")
    assert huge.status_code == 413


def test_other_media_type_is_415(key: services.IssuedKey) -> None:
    answer = client_with(key.text).generic("POST", "/api/v1/echo", b"a=1", content_type="text/plain")

    assert (answer.status_code, answer.json()["type"]) == (415, PROBLEM + "unsupported-media-type")


def test_database_away_is_503_with_retry_after_and_says_nothing_of_it(key: services.IssuedKey) -> None:
    answer = client_with(key.text).get("/api/v1/broken?by=database")

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert b"secret-host" not in answer.content


def test_bug_is_a_500_problem_without_its_text(key: services.IssuedKey) -> None:
    answer = client_with(key.text).get("/api/v1/broken?by=bug")

    assert (answer.status_code, answer.json()["type"]) == (500, PROBLEM + "internal")
    assert b"secret" not in answer.content


def test_value_that_the_database_refuses_is_400(key: services.IssuedKey, caplog: pytest.LogCaptureFixture) -> None:
    answer = client_with(key.text).post("/api/v1/broken")

    assert answer.status_code == 400
    assert b"secret" not in answer.content
    assert "invalid input syntax" not in caplog.text


def test_unknown_address_is_a_404_problem(key: services.IssuedKey) -> None:
    answer = Client().get("/api/v1/nothing")

    assert (answer.status_code, answer.json()["type"]) == (404, PROBLEM + "not-found")


def test_idempotency_key_replays_byte_for_byte(key: services.IssuedKey) -> None:
    client = client_with(key.text)

    def post(name: str, idempotency_key: str = "abc"):
        return client.post(
            "/api/v1/echo",
            {"name": name},
            content_type="application/json",
            headers={"Idempotency-Key": idempotency_key},
        )

    first, again = post("a"), post("a")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert (first.headers.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    reused = post("b")
    assert (reused.status_code, reused.json()["type"]) == (422, PROBLEM + "idempotency-key-reused")
    unusable = post("a", "x" * 256)
    assert (unusable.status_code, unusable.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


def test_idempotency_key_that_runs_is_409(key: services.IssuedKey, organization: Organization) -> None:
    from accounts import idempotency

    lock = idempotency._lock_number(organization.pk, "abc")
    with connection.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("SELECT pg_advisory_lock(%s)", [lock])

        def post() -> int:
            try:
                return (
                    client_with(key.text)
                    .post(
                        "/api/v1/echo",
                        {"name": "a"},
                        content_type="application/json",
                        headers={"Idempotency-Key": "abc"},
                    )
                    .status_code
                )
            finally:
                connection.close()

        assert pool.submit(post).result() == 409
        cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])
        assert pool.submit(post).result() == 202


def test_pages_walk_every_row_once_newest_first(organization: Organization) -> None:
    names = [f"key{n}" for n in range(7)]
    issued = [
        services.issue_api_key(organization_id=organization.pk, name=name, scopes=["*"], actor="command:test")
        for name in names
    ]
    client, seen, cursor = client_with(issued[0].text), [], ""

    while True:
        page = client.get(f"/api/v1/keys?limit=3{cursor}").json()
        seen += page["data"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == names[::-1]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=a", "limit=٣", "cursor=x", "cursor=WyJhIl0", "cursor=%00"]
)
def test_page_that_cannot_be_is_400(organization: Organization, query: str) -> None:
    issued = services.issue_api_key(organization_id=organization.pk, name="k", scopes=["*"], actor="command:test")

    answer = client_with(issued.text).get(f"/api/v1/keys?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, query.partition("=")[0])


def test_limit_of_ten_takes_exactly_ten_of_fifty_at_once(key: services.IssuedKey, settings) -> None:
    settings.SWIFTEX_API_KEY_REQUESTS_PER_MINUTE = 10
    client_with(key.text).get("/api/v1/keys")  # refused for its scope, before it is counted

    def get(_: int) -> tuple[int, str | None]:
        try:
            answer = client_with(key.text).get("/api/v1/echo")
            return answer.status_code, answer.headers.get("Retry-After")
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(get, range(50)))

    assert [status for status, _ in answers].count(200) == 10
    assert [status for status, _ in answers].count(429) == 40
    assert all(1 <= int(wait) <= 60 for status, wait in answers if status == 429 and wait)


def test_large_limit_is_counted_by_reservations_and_never_exceeded() -> None:
    name, now = f"test:{uuid4()}", 60_000.0

    taken = [limits.take(name, limit=1_000, now=now) for _ in range(1_100)]

    assert sum(allowance.is_allowed for allowance in taken) == 1_000
    assert [allowance.remaining for allowance in taken[:1_000]] == list(range(999, -1, -1))
    assert limits.take(name, limit=1_000, now=now + 60).is_allowed
