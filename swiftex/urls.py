"""Every address that Swiftex answers; a slash at the end is optional (swiftex/middleware.py)."""

import sys

from django.contrib import admin
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerView

from accounts.api import problems, schema  # noqa: F401 - schema tells OpenAPI about the keys
from routing import broker, heartbeats
from swiftex.middleware import unavailable
from swiftex.observability import health
from swiftex.queues import Queue

# The schema changes with the code alone, and making it takes most of a second.
_schema = cache_page(3600)(SpectacularJSONAPIView.as_view(authentication_classes=[]))

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("", RedirectView.as_view(url="/admin/")),
    path("api/schema", _schema, name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(authentication_classes=[], url_name="schema"), name="docs"),
    path("api/redoc", SpectacularRedocView.as_view(authentication_classes=[], url_name="schema"), name="redoc"),
    path("api/v1/", include("leads.api.urls")),
    path("api/v1/", include("channels_out.api.urls")),
    path("api/v1/", include("conversations.api.urls")),
    path("api/v1/", include("analytics.api.urls")),
    path("", include("leads.forms_urls")),
    path("webhooks/", include("channels_out.callbacks.urls")),
]

handler400 = problems.bad_request
handler404 = problems.not_found


def handler500(request: HttpRequest) -> HttpResponse:
    """Django's last resort: 503 when the database failed outside of a view, else 500."""
    failed = isinstance(sys.exception(), OperationalError | InterfaceError)
    return unavailable(request) if failed else problems.server_error(request)


def _broker() -> str | None:
    return None if broker.queue_length(Queue.GREETING) is not None else "no answer"


def _relay() -> str | None:
    return None if heartbeats.alive().get("relay") else "none is running"


def _workers() -> str | None:
    living = heartbeats.alive()
    missing = [queue.value for queue in Queue if not living.get(f"worker:{queue.value}")]
    return f"none for {', '.join(missing)}" if missing else None


health.register_check("broker", _broker)
health.register_check("relay", _relay)
health.register_check("workers", _workers)
