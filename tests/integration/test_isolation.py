"""Organizations are walled off: every route and every table, found by walking the URL map and the models."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import ForeignKey
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import services
from accounts.admin_base import ScopedModelAdmin
from accounts.api import authentication
from accounts.models import Organization, OrganizationOwned, Role
from swiftex.ids import public_id
from tests.integration.isolation_world import CANARY, owned_models, populate, snapshot

pytestmark = pytest.mark.django_db

# Routes that answer without a key or a login: each with the reason.
OPEN_ROUTES = {
    "": "leads to the admin's login",
    "admin": "leads to the admin's login",
    "healthz": "liveness, for the machine",
    "readyz": "readiness, for the load balancer",
    "metrics": "counts without personal data, for the scraper",
    "api/schema": "the API's description",
    "api/docs": "the API's description",
    "api/redoc": "the API's description",
    "embed.js": "public script of the forms",
    "forms/<str:key>": "public form of one source",
    "forms/<str:key>/thanks": "public page after the form",
}
# Callbacks prove themselves by a signature over the raw bytes: without one they must store nothing.
SIGNED_PREFIX = "webhooks/"
# Finds the canary by its beginning, so that a page may repeat what was searched for.
SEARCH = CANARY[:-1]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# The object that an id in an API address names: parameter -> (prefix of its public id, model).
PARAMETERS = {
    "lead_id": ("lead", "leads.lead"),
    "contact_id": ("con", "leads.contact"),
    "conversation_id": ("cnv", "conversations.conversation"),
    "message_id": ("msg", "channels_out.message"),
    "event_id": ("evt", "routing.event"),
    "job_id": ("job", "routing.job"),
}
# Pages of packages and of the whole installation: for superusers alone.
SUPERUSER_PAGES = {"accounts.admin.PeopleAdmin"}
SUPERUSER_PACKAGES = ("axes.", "django_celery_beat.", "django.", "unfold.", "import_export.")


class World:
    """Organization A, full of rows; and B's key and people, who must see none of them."""

    def __init__(self) -> None:
        self.a = Organization.objects.create(slug="a", name=f"{CANARY} A")
        self.b = Organization.objects.create(slug="b", name="Beta")
        self.rows = {model._meta.label_lower: row for model, row in populate(self.a).items()}
        self.client_a = self._key_client(self.a)
        self.client_b = self._key_client(self.b)

    def member(self, organization: Organization, role: Role) -> Client:
        name = f"{organization.slug}-{role}"
        services.add_member(organization_id=organization.pk, username=name, role=role, actor="command:test")
        client = Client()
        user = get_user_model().objects.get(username=name)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def _key_client(self, organization: Organization) -> Client:
        issued = services.issue_api_key(organization_id=organization.pk, name="all", scopes=["*"], actor="command:test")
        return Client(headers={"Authorization": f"Bearer {issued.text}"})


@pytest.fixture
def world() -> World:
    authentication.forget_known_keys()
    return World()


def routes(patterns: list | None = None, prefix: str = "") -> Iterator[str]:
    """Every route of the URL map, without the admin's."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(entry.pattern)
        if route.startswith("admin/"):
            continue
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route


def address(world: World, route: str) -> str:
    """The route with A's objects in it."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        assert name in PARAMETERS, f"say in PARAMETERS what {name} in {route} names"
        prefix, label = PARAMETERS[name]
        return public_id(prefix, world.rows[label].pk)

    return "/" + re.sub(r"<\w+:(\w+)>", value, route)


def api_routes() -> list[str]:
    return [route for route in routes() if route.startswith("api/v1/")]


def test_every_route_is_open_on_purpose_or_refuses_strangers(world: World) -> None:
    before = snapshot(world.a.pk)

    for route in routes():
        if route in OPEN_ROUTES:
            continue
        for method in METHODS:
            path = address(world, route) if route.startswith("api/") else "/" + re.sub(r"<[^>]+>", "a.x", route)
            answer = Client().generic(method, path, b"{}", content_type="application/json")
            refusals = {401, 403, 404, 405} if route.startswith(SIGNED_PREFIX) else {401, 403}
            assert answer.status_code in refusals, (method, path, answer.status_code)
            assert CANARY.encode() not in answer.content
    assert snapshot(world.a.pk) == before


def test_allow_list_names_no_route_that_is_gone() -> None:
    assert set(OPEN_ROUTES) - set(routes()) - {"admin"} == set()


def test_own_key_reads_the_objects_that_the_foreign_key_is_tried_on(world: World) -> None:
    """Without this the next test could pass on addresses that nobody can read."""
    for route in api_routes():
        if "<" in route and not route.endswith("opt-out"):
            answer = world.client_a.get(address(world, route))
            assert answer.status_code in {200, 405}, (route, answer.status_code)


def test_foreign_key_finds_nothing_and_changes_nothing_on_any_route(world: World) -> None:
    before = snapshot(world.a.pk)

    for route in api_routes():
        for method in METHODS:
            answer = world.client_b.generic(
                method, address(world, route), b'{"owner": null}', content_type="application/json"
            )
            assert CANARY.encode() not in answer.content, (method, route)
            assert answer.status_code < 500, (method, route)
            if "<" in route:
                assert answer.status_code in {403, 404, 405}, (method, route, answer.status_code)
            elif method == "GET" and answer.status_code == 200:
                assert answer.json()["data"] == [], route
    assert snapshot(world.a.pk) == before


def test_filters_and_foreign_ids_in_queries_reach_nothing(world: World) -> None:
    ids = {name: public_id(prefix, world.rows[label].pk) for name, (prefix, label) in PARAMETERS.items()}
    query = "&".join([f"organization={world.a.pk}", f"org={world.a.slug}", f"organization_id={world.a.pk}"])

    for route in api_routes():
        if "<" in route:
            continue
        for extra in ["", *(f"{name}={value}" for name, value in ids.items())]:
            answer = world.client_b.get(f"/{route}?{query}&{extra}")
            assert CANARY.encode() not in answer.content, (route, extra)
            assert answer.status_code in {200, 400, 403, 405}, (route, extra)


def owned_pages() -> list[ScopedModelAdmin]:
    return [page for page in admin.site._registry.values() if isinstance(page, ScopedModelAdmin)]


def test_every_admin_page_is_scoped_or_for_superusers() -> None:
    for model, page in admin.site._registry.items():
        if isinstance(page, ScopedModelAdmin):
            continue
        name = f"{type(page).__module__}.{type(page).__qualname__}"
        assert name in SUPERUSER_PAGES or name.startswith(SUPERUSER_PACKAGES), name
        assert not issubclass(model, OrganizationOwned), name


def row_of(world: World, page: ScopedModelAdmin) -> object:
    """A's row of the page's model; a proxy's page shows the row of the table it stands for."""
    if page.model is Organization:
        return world.a.pk
    row = world.rows[page.model._meta.concrete_model._meta.label_lower]
    return row.pk


def page_addresses(page: ScopedModelAdmin, pk: object) -> list[str]:
    name = f"admin:{page.model._meta.app_label}_{page.model._meta.model_name}"
    with_object = [reverse(f"{name}_{view}", args=[pk]) for view in ("change", "delete", "history")]
    return [reverse(f"{name}_changelist"), reverse(f"{name}_add"), *with_object]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OWNER])
def test_admin_shows_and_changes_nothing_of_another_organization(world: World, role: Role) -> None:
    client = world.member(world.b, role)
    before = snapshot(world.a.pk)

    for page in owned_pages():
        pk = row_of(world, page)
        for path in page_addresses(page, pk):
            searched = client.get(path, {"q": SEARCH} if path.endswith(f"{page.model._meta.model_name}/") else {})
            changed = client.post(path, {"post": "yes", "name": "taken over"})
            for answer in (searched, changed):
                assert answer.status_code in {200, 302, 403, 404}, (path, answer.status_code)
                assert CANARY.encode() not in answer.content, path
            if str(pk) in path:
                assert searched.status_code in {302, 403, 404}, path
        for action in page.get_actions(_request(client)):
            client.post(page_addresses(page, pk)[0], {"action": action, "_selected_action": [str(pk)], "post": "yes"})
    assert snapshot(world.a.pk) == before


def test_autocomplete_offers_nothing_of_another_organization(world: World) -> None:
    client = world.member(world.b, Role.OWNER)

    for page in owned_pages():
        for field in page.model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                query = {
                    "app_label": page.model._meta.app_label,
                    "model_name": page.model._meta.model_name,
                    "field_name": field.name,
                    "term": SEARCH,
                }
                answer = client.get(reverse("admin:autocomplete"), query)
                assert CANARY.encode() not in answer.content, (page.model, field.name)


def test_owner_of_the_organization_sees_the_rows_that_the_stranger_was_tried_on(world: World) -> None:
    """Without this the tests above could pass on pages that show nothing to anybody."""
    client = world.member(world.a, Role.OWNER)

    for page in owned_pages():
        answer = client.get(page_addresses(page, row_of(world, page))[0])
        assert answer.status_code == 200, page.model


def test_stored_secrets_are_on_no_page_and_in_no_answer_even_of_their_owner(world: World) -> None:
    client = world.member(world.a, Role.OWNER)
    secret = f"{CANARY}-secret".encode()

    for page in owned_pages():
        for path in page_addresses(page, row_of(world, page)):
            assert secret not in client.get(path).content, path
    for route in api_routes():
        assert secret not in world.client_a.get(address(world, route)).content, route


def test_admin_sends_strangers_to_the_login(world: World) -> None:
    for page in admin.site._registry.values():
        for path in page_addresses(page, 1)[:2]:
            answer = Client().get(path)
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("admin:login"))


def test_pages_of_the_installation_are_closed_to_owners(world: World) -> None:
    client = world.member(world.b, Role.OWNER)

    for page in admin.site._registry.values():
        if not isinstance(page, ScopedModelAdmin):
            assert client.get(page_addresses(page, 1)[0]).status_code == 403, page


FOREIGN_KEYS = """
SELECT con.conrelid::regclass::text, con.confrelid::regclass::text,
       (SELECT array_agg(a.attname ORDER BY k.n) FROM unnest(con.conkey) WITH ORDINALITY AS k(c, n)
        JOIN pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = k.c),
       (SELECT array_agg(a.attname ORDER BY k.n) FROM unnest(con.confkey) WITH ORDINALITY AS k(c, n)
        JOIN pg_attribute AS a ON a.attrelid = con.confrelid AND a.attnum = k.c)
FROM pg_constraint AS con WHERE con.contype = 'f' AND con.conparentid = 0
"""
OWNED_TABLES = """
SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE attname = 'organization_id' AND relkind IN ('r', 'p') AND NOT attisdropped
"""


def rows_of(sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_no_foreign_key_of_the_database_can_cross_organizations() -> None:
    owned = {table for (table,) in rows_of(OWNED_TABLES)}
    keys = [key for key in rows_of(FOREIGN_KEYS) if key[0] in owned and key[1] in owned]

    assert len(keys) > 10
    for table, target, columns, target_columns in keys:
        assert columns[0] == target_columns[0] == "organization_id", (table, target, columns)
        assert target_columns[1] == "id", (table, target)


def test_every_relation_of_the_models_is_a_composite_key_of_the_database() -> None:
    keys = {(table, tuple(columns), target) for table, target, columns, _ in rows_of(FOREIGN_KEYS)}

    for model in owned_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and issubclass(field.related_model, OrganizationOwned):
                wanted = (model._meta.db_table, ("organization_id", field.column), field.related_model._meta.db_table)
                assert wanted in keys, wanted


def test_every_table_of_an_organization_is_a_model_that_says_so() -> None:
    known = {model._meta.db_table for model in owned_models()}
    partitions = {table for (table,) in rows_of("SELECT inhrelid::regclass::text FROM pg_inherits")}

    tables = {table for (table,) in rows_of(OWNED_TABLES)} - partitions

    assert tables - known == set()


def test_database_refuses_a_row_that_points_into_another_organization(world: World) -> None:
    refused = 0
    for model in owned_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and issubclass(field.related_model, OrganizationOwned):
                row = world.rows[model._meta.label_lower]
                assert _moving_is_refused(row._meta.db_table, row.pk, row._meta.pk.column, world.b.pk), model
                refused += 1
    assert refused > 10


def _moving_is_refused(table: str, pk: object, key: str, organization_id: UUID) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f'UPDATE "{table}" SET organization_id = %s WHERE "{key}" = %s', [organization_id, pk])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except IntegrityError:
        return True
    return False


def _request(client: Client):
    from django.test import RequestFactory

    request = RequestFactory().get("/admin/")
    request.user = get_user_model().objects.get(pk=client.session["_auth_user_id"])
    request.session = client.session
    return request
