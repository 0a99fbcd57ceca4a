import json
from io import StringIO
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from accounts import keys
from accounts.api import authentication
from accounts.models import ApiKey, AuditEntry, Organization
from swiftex import configuration
from tests.integration.isolation_world import snapshot

pytestmark = pytest.mark.django_db
EXAMPLE = Path(__file__).parents[2] / "swiftex.example.yaml"
SECRETS = {
    "ACME_API_KEY": "canary-website-key",
    "ACME_ADMIN_KEY": "canary-backoffice-key",
    "OPENAI_API_KEY": "canary-openai-key",
    "WA_TOKEN": "canary-wa-token",
    "WA_APP_SECRET": "canary-wa-secret",
    "WA_VERIFY_TOKEN": "canary-wa-verify",
    "TWILIO_TOKEN": "canary-twilio-token",
    "GOOGLE_LEADS_KEY": "canary-google-key",
    "CRM_SECRET": "canary-crm-secret",
}


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "TWILIO_SID": "AC123"}.items():
        monkeypatch.setenv(name, value)


def apply(path: Path = EXAMPLE, *options: str) -> str:
    output = StringIO()
    call_command("apply_config", str(path), *options, stdout=output)
    return output.getvalue()


def changed_file(tmp_path: Path, change) -> Path:
    document = yaml.safe_load(EXAMPLE.read_text())
    change(document)
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def refused(path: Path) -> str:
    with pytest.raises(CommandError) as error:
        apply(path)
    return str(error.value)


def acme() -> Organization:
    return Organization.objects.get(slug="acme")


def test_example_is_accepted_as_it_stands_and_its_key_works() -> None:
    output = apply()

    organization = acme()
    assert (organization.name, organization.timezone, organization.default_region) == (
        "Acme Loans",
        "Asia/Kolkata",
        "IN",
    )
    assert "+ channels.wa-main: created" in output
    assert AuditEntry.objects.filter(action="configuration.applied").count() == 1
    authentication.forget_known_keys()
    client = Client(headers={"Authorization": f"Bearer {SECRETS['ACME_API_KEY']}"})
    assert client.get("/api/v1/leads").status_code == 200


def test_second_run_changes_nothing_and_says_so() -> None:
    apply()
    before = snapshot(acme().pk)

    output = apply()

    assert output == "unchanged: acme is as the file says (13 objects)\n"
    assert snapshot(acme().pk) == before


def test_dry_run_prints_the_difference_and_changes_nothing(tmp_path: Path) -> None:
    assert "+ organization.acme: created" in apply(EXAMPLE, "--dry-run")
    assert not Organization.objects.exists()
    apply()
    before = snapshot(acme().pk)

    path = changed_file(tmp_path, lambda document: document["organization"].update(duplicate_window_days=7))
    output = apply(path, "--dry-run")

    assert "~ organization.acme: updated\n    duplicate_window_days: 30 -> 7\n" in output
    assert "dry run: nothing was" in output
    assert snapshot(acme().pk) == before
    assert acme().duplicate_window_days == 30


def test_no_secret_is_ever_printed_or_stored_in_the_open(tmp_path: Path, monkeypatch, caplog) -> None:
    outputs = [apply(EXAMPLE, "--dry-run"), apply(), apply(EXAMPLE, "--json")]
    monkeypatch.setenv("WA_TOKEN", "canary-new-token")
    outputs += [apply(), apply(EXAMPLE, "--json")]
    wrong = changed_file(
        tmp_path, lambda document: document["crm"].update(base_url="${CRM_SECRET}", kind="${WA_TOKEN}")
    )
    outputs.append(refused(wrong))

    assert "~ channels.wa-main: updated\n    credentials: set (not shown)\n" in outputs[3]
    assert all("canary" not in output for output in outputs)
    assert "canary" not in caplog.text
    assert "canary" not in str(snapshot(acme().pk))


def test_json_names_every_change_and_every_mistake(tmp_path: Path) -> None:
    answer = json.loads(apply(EXAMPLE, "--json"))

    assert (answer["organization"], answer["dry_run"], answer["changed"]) == ("acme", False, True)
    assert {change["path"] for change in answer["changes"]} >= {"organization.acme", "api_keys.website", "llm", "crm"}


WRONG = [
    ("organization", lambda d: d.pop("organization"), "organization: is required"),
    ("slug", lambda d: d["organization"].update(slug="A b"), "organization.slug: must"),
    ("zone", lambda d: d["organization"].update(timezone="Mars/Base"), "organization.timezone: must be a time zone"),
    ("region", lambda d: d["organization"].update(default_region="XX"), "organization.default_region: must be"),
    (
        "budget",
        lambda d: d["organization"].update(first_message_budget_ms=1),
        "budget_ms: must be at least",
    ),
    ("unknown", lambda d: d.update(chanels=[]), "chanels: unknown key; did you mean `channels`?"),
    ("inner unknown", lambda d: d["channels"][1].update(from_numbr="+1"), "channels[1].from_numbr: unknown key"),
    ("kind", lambda d: d["channels"][0].update(kind="pigeon"), "channels[0].kind: must be one of"),
    ("number", lambda d: d["channels"][0].update(phone_number_id=5), "channels[0].phone_number_id: must be text; put"),
    ("missing", lambda d: d["channels"][1].pop("auth_token"), "channels[1].auth_token: is required"),
    ("scope", lambda d: d["api_keys"][0].update(scopes=["leads:eat"]), "api_keys[0].scopes[0]: must be one of"),
    ("short key", lambda d: d["api_keys"][0].update(key="short"), "api_keys[0].key: must have at least 8"),
    (
        "same key",
        lambda d: d["api_keys"][1].update(key="${ACME_API_KEY}"),
        "api_keys[1].key: is the same as an",
    ),
    ("same name", lambda d: d["api_keys"][1].update(name="website"), "api_keys[1].name: is the name of an earlier"),
    ("variable", lambda d: d["crm"].update(secret="${NOT_SET}"), "crm.secret: the environment variable NOT_SET is"),
    ("url", lambda d: d["llm"].update(base_url="ftp://x"), "llm.base_url: must begin with https://"),
    ("channel", lambda d: d["greeting"].update(channels=["nobody"]), "greeting.channels[0]: no channel of this name"),
    ("template", lambda d: d["greeting"].update(template="nothing"), "greeting.template: no template of this name"),
    ("list", lambda d: d.update(sources={}), "sources: must be a list"),
    ("null", lambda d: d.update(llm=None), "llm: must be a mapping of keys"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_file_is_refused_with_the_path_and_nothing_is_applied(tmp_path: Path, change, message: str) -> None:
    apply()
    before = snapshot(acme().pk)

    def also_something_right(document: dict) -> None:
        document["crm"]["base_url"] = "https://other.example.com/"
        change(document)

    output = refused(changed_file(tmp_path, also_something_right))

    assert message in output
    assert snapshot(acme().pk) == before


def test_addresses_that_point_inward_are_refused(tmp_path: Path, settings) -> None:
    settings.SWIFTEX_ALLOW_PRIVATE_HOSTS = False

    for address in ("http://127.0.0.1/", "http://10.0.0.8/", "http://[::1]/", "http://169.254.169.254/latest"):
        for section in ("llm", "crm"):
            path = changed_file(tmp_path, lambda document, s=section, a=address: document[s].update(base_url=a))
            assert f"{section}.base_url: " in refused(path)
        path = changed_file(tmp_path, lambda document, a=address: document["channels"][0].update(base_url=a))
        assert "channels[0].base_url: " in refused(path)
    assert not Organization.objects.exists()


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    def change(document: dict) -> None:
        document["organization"]["timezone"] = "Mars/Base"
        document["llm"]["api_key"] = "${NOT_SET}"
        document["channels"][1]["from_numbr"] = "+1"
        document["typo"] = 1

    output = refused(changed_file(tmp_path, change))

    for path in ("organization.timezone", "llm.api_key", "channels[1].from_numbr", "typo"):
        assert f"  {path}: " in output


def test_objects_that_the_file_does_not_name_are_kept_and_reported(tmp_path: Path) -> None:
    apply()

    def change(document: dict) -> None:
        document["api_keys"].pop()
        document["sources"].pop()

    output = apply(changed_file(tmp_path, change))

    assert "api_keys.backoffice: not in the file, kept as it is" in output
    assert ApiKey.objects.filter(name="backoffice", revoked_at__isnull=True).exists()


def test_new_text_of_a_key_replaces_the_old_one(monkeypatch) -> None:
    apply()
    monkeypatch.setenv("ACME_API_KEY", "canary-rotated-key")

    output = apply()

    assert "~ api_keys.website: updated\n    key: set (not shown)\n" in output
    assert [bytes(row.hashed_key) for row in ApiKey.objects.filter(name="website")] == [
        keys.hash_key("canary-rotated-key")
    ]


def test_revoked_key_does_not_come_back_by_the_file(django_user_model) -> None:
    from datetime import UTC, datetime

    from accounts import services

    apply()
    key_id = ApiKey.objects.get(name="website").pk
    services.revoke_api_key(organization_id=acme().pk, key_id=key_id, actor="user:1", now=datetime.now(UTC))

    assert "api_keys[0].key: this key was used before" in refused(EXAMPLE)
    assert not ApiKey.objects.filter(name="website", revoked_at__isnull=True).exists()


def test_key_of_another_organization_is_refused(tmp_path: Path) -> None:
    apply()

    path = changed_file(tmp_path, lambda document: document["organization"].update(slug="other"))

    assert "api_keys[0].key: this key was used before" in refused(path)
    assert not Organization.objects.filter(slug="other").exists()


def test_rotation_leaves_every_secret_readable_with_the_new_key_alone(settings) -> None:
    apply()
    old, new = settings.SWIFTEX_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.SWIFTEX_ENCRYPTION_KEYS = [new]
    with pytest.raises(CommandError, match="no key in SWIFTEX_ENCRYPTION_KEYS opens this secret"):
        call_command("rotate_encryption_keys", stdout=StringIO())

    settings.SWIFTEX_ENCRYPTION_KEYS = [new, old]
    output = StringIO()
    call_command("rotate_encryption_keys", stdout=output)
    settings.SWIFTEX_ENCRYPTION_KEYS = [new]

    assert "channels_out_channel.credentials: 2\n" in output.getvalue()
    assert apply() == "unchanged: acme is as the file says (13 objects)\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", b"- x"])
def test_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)

    assert "Traceback" not in refused(path)
    assert "cannot be read" in refused(tmp_path / "missing.yaml")


def test_sections_have_distinct_keys_and_cover_the_example() -> None:
    names = [section.key for section in configuration.sections()]

    assert len(set(names)) == len(names)
    assert {*names, "organization"} >= set(yaml.safe_load(EXAMPLE.read_text()))
