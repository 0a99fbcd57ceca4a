import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.test import Client

from accounts import services
from accounts.models import ApiKey, AuditEntry, Membership, Organization, Role

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def acme() -> Organization:
    return Organization.objects.create(slug="acme", name="Acme")


@pytest.fixture
def beta() -> Organization:
    return Organization.objects.create(slug="beta", name="Beta")


def member(organization: Organization, role: Role, username: str = "") -> Client:
    name = username or f"{organization.slug}-{role}"
    services.add_member(
        organization_id=organization.pk, username=name, role=role, actor="command:test", password=PASSWORD
    )
    client = Client()
    client.force_login(get_user_model().objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return client


def superuser() -> Client:
    user = get_user_model().objects.create_superuser("root", password=PASSWORD)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def issue(organization: Organization, name: str) -> services.IssuedKey:
    return services.issue_api_key(organization_id=organization.pk, name=name, scopes=["*"], actor="command:test")


def test_member_logs_in_with_the_right_password_alone(acme: Organization) -> None:
    member(acme, Role.VIEWER, "ann")
    client = Client()

    assert client.get("/admin/login/").status_code == 200
    wrong = client.post("/admin/login/?next=/admin/", {"username": "ann", "password": "wrong"})
    assert wrong.status_code == 200
    right = client.post("/admin/login/?next=/admin/", {"username": "ann", "password": PASSWORD})
    assert (right.status_code, right["Location"]) == (302, "/admin/")
    assert b"Acme" in client.get("/admin/").content


def test_owner_makes_a_key_that_is_shown_once(acme: Organization) -> None:
    owner = member(acme, Role.OWNER)

    page = owner.post("/admin/accounts/apikey/add/", {"name": "website", "scopes": ["leads:write"]})

    row = ApiKey.objects.get()
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert f">{row.prefix}_".encode() in page.content
    text = page.content.decode().split(f">{row.prefix}_")[1].split("<")[0]
    assert len(text) == 43
    for address in ("/admin/accounts/apikey/", f"/admin/accounts/apikey/{row.pk}/change/"):
        assert text not in owner.get(address).content.decode()
    assert (row.organization_id, row.scopes) == (acme.pk, ["leads:write"])
    assert AuditEntry.objects.filter(action="api_key.created").count() == 1


def test_key_of_a_taken_name_and_without_scopes_is_refused_in_the_form(acme: Organization) -> None:
    issue(acme, "website")
    owner = member(acme, Role.OWNER)

    taken = owner.post("/admin/accounts/apikey/add/", {"name": "website", "scopes": ["*"]})
    bare = owner.post("/admin/accounts/apikey/add/", {"name": "other"})

    assert (taken.status_code, bare.status_code) == (200, 200)
    assert b"A valid key of this name exists." in taken.content
    assert ApiKey.objects.count() == 1


def test_owner_revokes_keys_of_the_own_organization_alone(acme: Organization, beta: Organization) -> None:
    mine, theirs = issue(acme, "a"), issue(beta, "b")
    owner = member(acme, Role.OWNER)

    owner.post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [str(mine.id), str(theirs.id)]})

    assert ApiKey.objects.get(pk=mine.id).revoked_at is not None
    assert ApiKey.objects.get(pk=theirs.id).revoked_at is None


@pytest.mark.parametrize(
    ("role", "reads", "adds"),
    [(Role.VIEWER, False, False), (Role.AGENT, False, False), (Role.MANAGER, True, False), (Role.OWNER, True, True)],
)
def test_roles_decide_who_reads_and_makes_keys(acme: Organization, role: Role, reads: bool, adds: bool) -> None:
    issue(acme, "website")
    client = member(acme, role)

    assert (client.get("/admin/accounts/apikey/").status_code == 200) is reads
    assert (client.get("/admin/accounts/apikey/add/").status_code == 200) is adds
    refused = client.post("/admin/accounts/apikey/add/", {"name": "new", "scopes": ["*"]})
    assert ApiKey.objects.filter(name="new").exists() is adds
    assert adds or refused.status_code == 403
    assert client.get("/admin/accounts/organization/").status_code == 200
    changed = client.post(f"/admin/accounts/organization/{acme.pk}/change/", {"name": "X"})
    assert (changed.status_code == 403) is (role in {Role.VIEWER, Role.AGENT})


def test_owner_adds_changes_and_removes_members(acme: Organization, beta: Organization) -> None:
    member(beta, Role.OWNER, "stranger")
    owner = member(acme, Role.OWNER)
    add = "/admin/accounts/membership/add/"

    without_password = owner.post(add, {"username": "new", "role": "agent"})
    assert b"A new user needs a password." in without_password.content
    assert owner.post(add, {"username": "new", "role": "agent", "password": PASSWORD}).status_code == 302
    again = owner.post(add, {"username": "new", "role": "agent", "password": PASSWORD})
    assert b"already a member" in again.content

    membership = Membership.objects.get(user__username="new")
    assert (membership.organization_id, membership.role) == (acme.pk, "agent")
    assert membership.user.is_staff
    assert not membership.user.is_superuser
    assert owner.post(f"/admin/accounts/membership/{membership.pk}/change/", {"role": "viewer"}).status_code == 302
    membership.refresh_from_db()
    assert membership.role == "viewer"
    assert owner.post(f"/admin/accounts/membership/{membership.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Membership.objects.filter(pk=membership.pk).exists()
    actions = list(AuditEntry.objects.filter(actor__startswith="user:").order_by("id").values_list("action", flat=True))
    assert actions == ["member.added", "member.role_changed", "member.removed"]
    assert b"stranger" not in owner.get("/admin/accounts/membership/").content


def test_member_of_two_organizations_switches_and_sees_one_at_a_time(acme: Organization, beta: Organization) -> None:
    issue(acme, "acme-key")
    issue(beta, "beta-key")
    client = member(acme, Role.OWNER, "both")
    member(beta, Role.VIEWER, "both")

    client.get(f"/admin/accounts/organization/{acme.pk}/switch/")
    keys = client.get("/admin/accounts/apikey/").content
    assert b"acme-key" in keys
    assert b"beta-key" not in keys
    assert b"Beta" in client.get("/admin/").content

    assert client.get(f"/admin/accounts/organization/{beta.pk}/switch/").status_code == 302
    assert client.get("/admin/accounts/apikey/").status_code == 403


def test_switch_to_a_foreign_organization_is_404(acme: Organization, beta: Organization) -> None:
    client = member(acme, Role.OWNER)

    for target in (beta.pk, "all", "nonsense"):
        assert client.get(f"/admin/accounts/organization/{target}/switch/").status_code == 404


def test_superuser_sees_all_and_adds_only_where_an_organization_is_chosen(acme, beta) -> None:
    issue(acme, "acme-key")
    issue(beta, "beta-key")
    root = superuser()

    keys = root.get("/admin/accounts/apikey/").content
    assert b"acme-key" in keys
    assert b"beta-key" in keys
    assert root.get("/admin/accounts/apikey/add/").status_code == 403
    root.get(f"/admin/accounts/organization/{beta.pk}/switch/")
    assert root.get("/admin/accounts/apikey/add/").status_code == 200
    assert b"acme-key" not in root.get("/admin/accounts/apikey/").content
    assert root.get("/admin/auth/user/").status_code == 200


def test_audit_log_is_read_only_and_append_only(acme: Organization) -> None:
    issue(acme, "website")
    root = superuser()
    entry = AuditEntry.objects.get()

    assert root.get(f"/admin/accounts/auditentry/{entry.pk}/change/").status_code == 200
    assert root.post(f"/admin/accounts/auditentry/{entry.pk}/change/", {"action": "x"}).status_code == 403
    assert root.get("/admin/accounts/auditentry/add/").status_code == 403
    for change in (entry.delete, lambda: AuditEntry.objects.update(action="x")):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


def test_change_of_the_organization_is_audited_by_field_names(acme: Organization) -> None:
    manager = member(acme, Role.MANAGER)

    answer = manager.post(
        f"/admin/accounts/organization/{acme.pk}/change/",
        {
            "name": "Acme Loans",
            "timezone": "UTC",
            "default_region": "US",
            "first_message_budget_ms": "2000",
            "duplicate_window_days": "0",
            "on_ambiguous": "at_most_once",
        },
    )

    acme.refresh_from_db()
    assert answer.status_code == 302
    assert (acme.name, acme.duplicate_window_days, acme.slug, acme.is_active) == ("Acme Loans", 0, "acme", True)
    entry = AuditEntry.objects.get(action="organization.changed")
    assert entry.details == {"fields": ["duplicate_window_days", "name"]}


def test_commands_issue_keys_and_add_members(acme, capsys, monkeypatch) -> None:
    call_command("issue_api_key", "acme", "cli", "--scope", "leads:write")
    text = capsys.readouterr().out.strip()
    assert text.startswith(ApiKey.objects.get(name="cli").prefix)
    monkeypatch.setenv("SWIFTEX_MEMBER_PASSWORD", PASSWORD)
    call_command("add_member", "acme", "ann", "--role", "owner")
    assert get_user_model().objects.get(username="ann").check_password(PASSWORD)
    assert Membership.objects.get(user__username="ann").role == "owner"
    for arguments in (
        ["issue_api_key", "nobody", "x", "--scope", "*"],
        ["issue_api_key", "acme", "cli", "--scope", "*"],
    ):
        with pytest.raises(CommandError):
            call_command(*arguments)
    call_command("prune_idempotency")
    assert capsys.readouterr().out.endswith("deleted 0\n")
