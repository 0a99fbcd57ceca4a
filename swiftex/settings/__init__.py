"""Settings, read from the environment once at start. Names, defaults and reasons: docs/reference/settings.md."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue as KombuQueue

from swiftex.observability.logs import logging_config
from swiftex.queues import VISIBILITY_TIMEOUT_S, Queue
from swiftex.settings import admin, env

BASE_DIR = Path(__file__).resolve().parent.parent.parent

SWIFTEX_ENV = env.choice("SWIFTEX_ENV", "development", ("development", "production"))
IS_PRODUCTION = SWIFTEX_ENV == "production"
SWIFTEX_ROLE = env.choice("SWIFTEX_ROLE", "command", ("command", "web", "relay", "worker", "beat"))
SWIFTEX_DATA_DIR = Path(env.text("SWIFTEX_DATA_DIR", ".swiftex"))
if not SWIFTEX_DATA_DIR.is_absolute():
    SWIFTEX_DATA_DIR = BASE_DIR / SWIFTEX_DATA_DIR


def _embedded_service(name: str) -> str:
    """URL of an embedded service, which the runtime writes down when it starts them."""
    if IS_PRODUCTION:
        raise ImproperlyConfigured(f"{name} must be set in production")
    noted = SWIFTEX_DATA_DIR / "services.json"
    if noted.exists():
        return str(json.loads(noted.read_text())[name])
    return {"DATABASE_URL": "postgresql://swiftex@127.0.0.1:1/swiftex", "REDIS_URL": "redis://127.0.0.1:1/0"}[name]


def _service_url(name: str, schemes: tuple[str, ...]) -> str:
    return env.service_url(name, env.text(name, "") or _embedded_service(name), schemes)


def _database_of(url: str) -> dict[str, Any]:
    try:
        database = dict(dj_database_url.parse(url))
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL must be a URL, as postgresql://user:password@host:5432/name") from None
    if not database["NAME"]:
        raise ImproperlyConfigured("DATABASE_URL must name a database, as postgresql://user:password@host:5432/name")
    return database


def _next_redis_database(url: str) -> str:
    parts = urlsplit(url)
    number = parts.path.strip("/") or "0"
    if not number.isdigit():
        raise ImproperlyConfigured("REDIS_URL must end in the number of a database, as redis://host:6379/0")
    return parts._replace(path=f"/{int(number) + 1}").geturl()


# --- security
SECRET_KEY = env.text("SECRET_KEY", None if IS_PRODUCTION else "development-only-key-" + "x" * 40)
DEBUG = env.boolean("SWIFTEX_DEBUG", False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if IS_PRODUCTION else "localhost,127.0.0.1,[::1],testserver")
PORT = env.integer("PORT", 8000, low=1, high=65535)
PUBLIC_URL = env.text("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SWIFTEX_ENCRYPTION_KEYS = env.words(
    "SWIFTEX_ENCRYPTION_KEYS", "" if IS_PRODUCTION else "ZGV2ZWxvcG1lbnQtb25seS1mZXJuZXQta2V5LTAwMDA="
)
SWIFTEX_PROXY_HOPS = env.integer("SWIFTEX_PROXY_HOPS", 1 if IS_PRODUCTION else 0, low=0, high=10)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SWIFTEX_PROXY_HOPS else None
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_PRODUCTION
# Whether other names of the domain speak HTTPS too isn't ours to promise (docs/reference/settings.md).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
SWIFTEX_ALLOW_PRIVATE_HOSTS = env.boolean("SWIFTEX_ALLOW_PRIVATE_HOSTS", not IS_PRODUCTION)
SWIFTEX_CA_FILE = env.text("SWIFTEX_CA_FILE", "")

# --- applications
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "import_export",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "swiftex",
    "accounts",
    "routing",
    "leads",
    "channels_out",
    "conversations",
    "analytics",
]
MIDDLEWARE = [
    "swiftex.middleware.RequestMiddleware",
    "accounts.api.problem_middleware.ProblemMiddleware",
    "swiftex.middleware.DatabaseDeadlineMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.OrganizationTime",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "swiftex.urls"
WSGI_APPLICATION = "swiftex.wsgi.application"
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "/admin/"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# --- time and language
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["swiftex.formats"]

# --- PostgreSQL: a pool per process, so that Celery's closing around every task only hands a connection back
_POOLS: dict[str, dict[str, Any] | None] = {
    "web": {"min_size": 2, "max_size": 8, "timeout": 1, "reconnect_timeout": 1},
    "worker": {"min_size": 2, "max_size": 20, "timeout": 5, "reconnect_timeout": 1},
    "relay": None,
    "beat": None,
    "command": None,
}
DATABASE_URL = _service_url("DATABASE_URL", ("postgresql", "postgres"))
DATABASES: dict[str, Any] = {"default": _database_of(DATABASE_URL)}
DATABASES["default"]["ENGINE"] = "swiftex.postgresql"
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 2,
    "application_name": f"swiftex-{SWIFTEX_ROLE}",
    "options": (
        "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000 -c timezone=UTC"
        # Prepared statements keep one plan; by itself PostgreSQL plans the larger ones anew at every call.
        " -c plan_cache_mode=force_generic_plan -c jit=off"
    ),
}
if _POOLS[SWIFTEX_ROLE]:
    DATABASES["default"]["OPTIONS"]["pool"] = _POOLS[SWIFTEX_ROLE]
SWIFTEX_DATABASE_DEADLINE_MS = env.integer("SWIFTEX_DATABASE_DEADLINE_MS", 1500, low=100, high=60_000)
SWIFTEX_ADMIN_DATABASE_DEADLINE_MS = env.integer("SWIFTEX_ADMIN_DATABASE_DEADLINE_MS", 20_000, low=100, high=120_000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis and the broker
REDIS_URL = _service_url("REDIS_URL", ("redis", "rediss"))
CELERY_BROKER_URL = env.service_url(
    "CELERY_BROKER_URL", _next_redis_database(REDIS_URL), ("redis", "rediss", "amqp", "amqps")
)

SWIFTEX_FALLBACK_PROCESSES = env.integer("SWIFTEX_FALLBACK_PROCESSES", 2, low=1, high=1000)

# --- greeting
# An abandoned call holds its lane a little longer than the greeting waited, so there are more lanes than threads.
SWIFTEX_MODEL_LANES = env.integer(
    "SWIFTEX_MODEL_LANES", env.integer("SWIFTEX_GREETING_THREADS", 100, low=1, high=1000) * 6 // 5, low=1, high=1200
)
SWIFTEX_CHANNEL_RESERVE_MS = env.integer("SWIFTEX_CHANNEL_RESERVE_MS", 600, low=50, high=10_000)

# --- e-mail: notices; without a server they are written to files
EMAIL_HOST = env.text("SWIFTEX_EMAIL_HOST", "")
EMAIL_PORT = env.integer("SWIFTEX_EMAIL_PORT", 587, low=1, high=65535)
EMAIL_HOST_USER = env.text("SWIFTEX_EMAIL_USER", "")
EMAIL_HOST_PASSWORD = env.text("SWIFTEX_EMAIL_PASSWORD", "")
EMAIL_USE_TLS = env.boolean("SWIFTEX_EMAIL_TLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("SWIFTEX_EMAIL_FROM", "Swiftex <swiftex@localhost>")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = SWIFTEX_DATA_DIR / "mail"

# --- delivery and callbacks
SWIFTEX_FALLBACK_MAX_AGE_S = env.decimal("SWIFTEX_FALLBACK_MAX_AGE_S", 900, low=10, high=86_400)
SWIFTEX_CALLBACK_MAX_BODY_BYTES = env.integer("SWIFTEX_CALLBACK_MAX_BODY_BYTES", 3_000_000, low=10_000, high=50_000_000)

# --- API: what one body may weigh and how many requests a minute are taken
SWIFTEX_API_MAX_BODY_BYTES = env.integer("SWIFTEX_API_MAX_BODY_BYTES", 1_000_000, low=1_000, high=100_000_000)
SWIFTEX_API_MAX_BATCH_BYTES = 10_000_000
# No route takes more than this.
SWIFTEX_LARGEST_BODY_BYTES = max(
    SWIFTEX_API_MAX_BODY_BYTES, SWIFTEX_API_MAX_BATCH_BYTES, SWIFTEX_CALLBACK_MAX_BODY_BYTES
)
SWIFTEX_API_KEY_REQUESTS_PER_MINUTE = env.integer("SWIFTEX_API_KEY_REQUESTS_PER_MINUTE", 30_000, low=1, high=10_000_000)
SWIFTEX_API_ORGANIZATION_REQUESTS_PER_MINUTE = env.integer(
    "SWIFTEX_API_ORGANIZATION_REQUESTS_PER_MINUTE", 60_000, low=1, high=10_000_000
)

# --- Celery (measured settings: docs/adr/0004-celery-carries-hints.md)
_BROKER_IS_REDIS = CELERY_BROKER_URL.startswith(("redis://", "rediss://"))
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_TASK_ACKS_LATE = True
# A job's lease brings it back; a message that killed one worker must not go on to kill the next.
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = Queue.SYNC.value
CELERY_TASK_QUEUES = [KombuQueue(queue.value, routing_key=queue.value) for queue in Queue]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any]
if _BROKER_IS_REDIS:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "max_connections": 500,
        "queue_order_strategy": "priority",
        "health_check_interval": 10,
        "socket_keepalive": True,
    }
    if SWIFTEX_ROLE != "worker":
        CELERY_BROKER_TRANSPORT_OPTIONS |= {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
            "socket_connect_timeout": 0.25,
            "socket_timeout": 0.5,
        }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    CELERY_BROKER_CONNECTION_TIMEOUT = 4 if SWIFTEX_ROLE == "worker" else 0.5
SWIFTEX_RELAY_POLL_S = env.decimal("SWIFTEX_RELAY_POLL_S", 0.25, low=0.001, high=5)

# --- logs and metrics
LOGGING = logging_config(env.choice("SWIFTEX_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")))
SWIFTEX_METRICS_TOKEN = env.text("SWIFTEX_METRICS_TOKEN", "")
if SWIFTEX_ROLE != "command":
    # prometheus_client looks at the environment when it is first imported
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(SWIFTEX_DATA_DIR / "metrics"))
    Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)

# --- admin
UNFOLD = admin.UNFOLD
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = admin.IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT

# --- REST framework
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["accounts.api.rendering.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "accounts.api.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Swiftex",
    "DESCRIPTION": "Leads in, first messages out, and everything that happened in between.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
