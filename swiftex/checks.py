"""What must be right before anything starts: the settings that correctness hangs on (docs/reference/checks.md).

`manage.py check` looks at settings alone; the checks of running services are asked by `migrate` and
`check --database default`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from swiftex import database, encryption
from swiftex.coordination.connection import eviction_policy
from swiftex.queues import ARMING_HORIZON_S

_LONGEST_WEB_WAIT_MS = 1_800
_DEVELOPMENT_KEY = "ZGV2ZWxvcG1lbnQtb25seS1mZXJuZXQta2V5LTAwMDA="
_FAST_FAIL = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_DATABASE_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def check_settings(app_configs: object, **_: Any) -> list[CheckMessage]:
    """Every setting that delivery hangs on has a value with which it works."""
    return [*_celery(), *_broker(), *_database(), *_secrets(), *_production()]


def check_services(app_configs: object, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """The running Redis and PostgreSQL keep what they are given; one that can't be reached is not judged here."""
    return [*_eviction(), *_durability()] if databases else []


def register_checks() -> None:
    """Django asks the checks above; called once, when the apps are ready."""
    register(check_settings)
    register(check_services, Tags.database)


def _celery() -> Iterator[CheckMessage]:
    of = _setting
    rules: Iterable[tuple[str, str, Callable[[], bool]]] = (
        ("E001", "Celery must speak JSON alone", lambda: of("ACCEPT_CONTENT") == [of("TASK_SERIALIZER")] == ["json"]),
        ("E002", "CELERY_TASK_ACKS_LATE must be true", lambda: of("TASK_ACKS_LATE") is True),
        ("E003", "CELERY_WORKER_PREFETCH_MULTIPLIER must be 1", lambda: of("WORKER_PREFETCH_MULTIPLIER") == 1),
        (
            "E004",
            "Celery must keep no results",
            lambda: of("TASK_IGNORE_RESULT") is True and of("RESULT_BACKEND") is None,
        ),
        ("E005", "Celery must not run tasks in the caller", lambda: not of("TASK_ALWAYS_EAGER")),
        ("E006", "CELERY_WORKER_ETA_TASK_LIMIT starves the queue", lambda: of("WORKER_ETA_TASK_LIMIT") is None),
        (
            "E007",
            "queues must be addressed by name through the default exchange",
            # Celery names the exchange after the default queue once it has read the settings, and publishes by name.
            lambda: all(
                queue.exchange.name in {"", of("TASK_DEFAULT_QUEUE")} and queue.routing_key == queue.name
                for queue in of("TASK_QUEUES")
            ),
        ),
    )
    for number, message, holds in rules:
        if not holds():
            yield _error(number, message)


def _broker() -> Iterator[CheckMessage]:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    if not settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
        if not options.get("confirm_publish"):
            yield _error("E010", "RabbitMQ must confirm what is published: set confirm_publish")
        return
    if options.get("visibility_timeout", 3600) < 4 * ARMING_HORIZON_S:
        yield _error("E008", "visibility_timeout must be far above the arming horizon, or armed jobs run many times")
    is_fast = all(options.get(name) == value for name, value in _FAST_FAIL.items()) and "socket_timeout" in options
    if settings.SWIFTEX_ROLE != "worker" and not is_fast:
        yield _error("E009", "publishing must fail fast: a broker that hangs would hold its callers for a minute")


def _database() -> Iterator[CheckMessage]:
    described = settings.DATABASES["default"]
    if described["ENGINE"] != "swiftex.postgresql":
        yield _error("E011", "the database engine must be swiftex.postgresql, which knows deadlines")
    given = described.get("OPTIONS", {}).get("options", "")
    for limit in _DATABASE_LIMITS:
        if f"-c {limit}=" not in given:
            yield _error("E012", f"{limit} is not set for database connections")
    if described.get("CONN_MAX_AGE", 0) != 0:
        yield _error("E013", "CONN_MAX_AGE must be 0: the pool keeps connections, and Celery closes them anyway")
    if settings.SWIFTEX_DATABASE_DEADLINE_MS > _LONGEST_WEB_WAIT_MS:
        yield _error("E014", "SWIFTEX_DATABASE_DEADLINE_MS is too long: callers were promised a 503 within 2 s")


def _secrets() -> Iterator[CheckMessage]:
    if not settings.SWIFTEX_ENCRYPTION_KEYS:
        yield _error("E015", "SWIFTEX_ENCRYPTION_KEYS is not set: credentials can't be stored")
        return
    try:
        encryption.encrypt({})
    except ImproperlyConfigured as error:
        yield _error("E015", str(error))
    if settings.IS_PRODUCTION and _DEVELOPMENT_KEY in settings.SWIFTEX_ENCRYPTION_KEYS:
        yield _error("E016", "SWIFTEX_ENCRYPTION_KEYS holds the development key, which everyone knows")


def _production() -> Iterator[CheckMessage]:
    if not settings.IS_PRODUCTION:
        return
    if len(settings.SECRET_KEY) < 50 or settings.SECRET_KEY.startswith(("development-only", "django-insecure")):
        yield _error("E017", "SECRET_KEY is too weak: 50 random characters or more")
    if not settings.PUBLIC_URL.startswith("https://"):
        yield _error("E018", "PUBLIC_URL must begin with https:// in production: providers call it")
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield _error("E019", "ALLOWED_HOSTS must name the hosts that Swiftex answers for")
    if settings.SWIFTEX_ALLOW_PRIVATE_HOSTS:
        yield Warning(
            "SWIFTEX_ALLOW_PRIVATE_HOSTS lets every organization make Swiftex call your internal network",
            id="swiftex.W001",
        )
    if settings.DEBUG:
        yield _error("E020", "SWIFTEX_DEBUG shows the insides of Swiftex to everyone")


def _eviction() -> Iterator[CheckMessage]:
    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        url = getattr(settings, name)
        if not url.startswith(("redis://", "rediss://")):
            continue
        policy = eviction_policy(url)
        if policy not in {None, "noeviction"}:
            yield _error("E021", f"the Redis of {name} may drop keys ({policy}): set maxmemory-policy noeviction")


def _durability() -> Iterator[CheckMessage]:
    try:
        row = database.fetch_one("SELECT current_setting('synchronous_commit')")
    except DatabaseError:
        return
    if row == ("off",):
        yield _error("E022", "synchronous_commit is off: a lead that got its 2xx could be lost")


def _setting(name: str) -> Any:
    return getattr(settings, f"CELERY_{name}", None)


def _error(number: str, message: str) -> Error:
    return Error(message, id=f"swiftex.{number}")
