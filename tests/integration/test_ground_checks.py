"""Start-up checks: a wrong setting is named by its id, and what ships passes Django's own deployment checks."""

import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks

from swiftex import checks


def found(**options):
    return {message.id for message in run_checks(**options) if message.id.startswith("swiftex.")}


def test_nothing_is_wrong_with_what_ships():
    assert found() == set()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_wrong_with_the_services_that_run():
    assert found(databases=["default"]) == set()


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        ("E001", {"CELERY_ACCEPT_CONTENT": ["json", "pickle"]}),
        ("E002", {"CELERY_TASK_ACKS_LATE": False}),
        ("E003", {"CELERY_WORKER_PREFETCH_MULTIPLIER": 4}),
        ("E004", {"CELERY_RESULT_BACKEND": "redis://"}),
        ("E005", {"CELERY_TASK_ALWAYS_EAGER": True}),
        ("E006", {"CELERY_WORKER_ETA_TASK_LIMIT": 1000}),
        ("E009", {"CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 120}}),
        ("E010", {"CELERY_BROKER_URL": "amqp://", "CELERY_BROKER_TRANSPORT_OPTIONS": {}}),
        ("E014", {"SWIFTEX_DATABASE_DEADLINE_MS": 5000}),
        ("E015", {"SWIFTEX_ENCRYPTION_KEYS": []}),
        ("E015", {"SWIFTEX_ENCRYPTION_KEYS": ["wrong"]}),
        ("E016", {"IS_PRODUCTION": True}),
        ("E017", {"IS_PRODUCTION": True, "SECRET_KEY": "short"}),
        ("E018", {"IS_PRODUCTION": True, "PUBLIC_URL": "http://leads.example.com"}),
        ("E019", {"IS_PRODUCTION": True, "ALLOWED_HOSTS": ["*"]}),
        ("E020", {"IS_PRODUCTION": True, "DEBUG": True}),
        ("W001", {"IS_PRODUCTION": True, "SWIFTEX_ALLOW_PRIVATE_HOSTS": True}),
    ],
)
def test_a_wrong_setting_is_named(settings, number, wrong):
    for name, value in wrong.items():
        setattr(settings, name, value)

    assert f"swiftex.{number}" in found()


def test_arming_near_the_visibility_timeout_is_named(settings):
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "visibility_timeout": 20}

    assert found() == {"swiftex.E008"}


def test_a_named_exchange_is_named(settings):
    from kombu import Exchange, Queue

    settings.CELERY_TASK_QUEUES = [Queue("greeting", Exchange("swiftex"), routing_key="greeting")]

    assert found() == {"swiftex.E007"}


@pytest.mark.parametrize(
    ("number", "change"),
    [
        ("E011", {"ENGINE": "django.db.backends.postgresql"}),
        ("E012", {"OPTIONS": {}}),
        ("E013", {"CONN_MAX_AGE": 60}),
    ],
)
def test_a_wrong_database_setting_is_named(monkeypatch, settings, number, change):
    for name, value in change.items():
        monkeypatch.setitem(settings.DATABASES["default"], name, value)

    assert {f"swiftex.{number}"} == {message.id for message in checks.check_settings(None)}


@pytest.mark.parametrize("role", ["web", "worker", "relay", "beat", "command"])
def test_djangos_own_deployment_checks_have_nothing_to_say_about_production(role, tmp_path, settings):
    described = settings.DATABASES["default"]
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{described['USER']}@{described['HOST']}:{described['PORT']}/{described['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "SWIFTEX_ENV": "production",
        "SWIFTEX_ROLE": role,
        "SWIFTEX_DATA_DIR": str(tmp_path),
        "SECRET_KEY": "".join(f"{number:02x}" for number in os.urandom(40)),
        "SWIFTEX_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "ALLOWED_HOSTS": "leads.example.com",
        "PUBLIC_URL": "https://leads.example.com",
    }
    environment.pop("SWIFTEX_ALLOW_PRIVATE_HOSTS", None)

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
