"""What every web request passes through: its id, its log line and figures, and the deadline of its database work."""

import json
import logging
import re
from collections.abc import Callable
from time import perf_counter

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from swiftex.database import client_deadline
from swiftex.ids import new_id
from swiftex.observability import correlation, metrics

Answer = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger("swiftex.requests")

RETRY_AFTER_S = 2
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SLASH_OPTIONAL = ("/api/", "/forms/", "/webhooks/", "/healthz/", "/readyz/", "/metrics/")
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_SELF_ONLY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
# The admin's theme and the API's pages evaluate expressions in attributes; no foreign code is loaded all the same.
_OWN_SCRIPTS = f"{_SELF_ONLY}; script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:"
_PAGE_POLICIES = {"/admin/": _OWN_SCRIPTS, "/api/": _OWN_SCRIPTS}


class RequestMiddleware:
    """Each request has an id, the caller's X-Request-ID if that is a decent one; log lines and the answer carry it.

    A slash at the end of a machine's address is dropped, and behind SWIFTEX_PROXY_HOPS proxies the caller's own address
    is the one that the outermost of them saw; what a caller writes into X-Forwarded-For counts for nothing.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        if request.path_info.endswith("/") and request.path_info.startswith(_SLASH_OPTIONAL):
            request.path_info = request.path_info.rstrip("/")
        if hops := settings.SWIFTEX_PROXY_HOPS:
            _see_through(request, hops)
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else new_id().hex
        with correlation.bind(request_id=request_id, organization_id=None):
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            _guard_page(request, response)
            if request.path not in _PROBES:
                _note(request, response.status_code, perf_counter() - began)
        return response


class DatabaseDeadlineMiddleware:
    """Database work of a request ends in time: with the database frozen or down, the answer is 503 within 2 s.

    People in the admin may wait longer than machines (SWIFTEX_ADMIN_DATABASE_DEADLINE_MS).
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_admin = request.path.startswith("/admin/")
        limit_ms = settings.SWIFTEX_ADMIN_DATABASE_DEADLINE_MS if is_admin else settings.SWIFTEX_DATABASE_DEADLINE_MS
        with client_deadline(limit_ms / 1000):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The answer to a view that the database failed; None lets other errors take their way."""
        return unavailable(request) if isinstance(error, OperationalError | InterfaceError) else None


def unavailable(request: HttpRequest) -> HttpResponse:
    """503 with Retry-After: a problem for machines, a line of text for people."""
    logger.warning("the database is not available")
    if "text/html" in request.headers.get("Accept", ""):
        text, kind = "This page can't be shown right now. Please try again in a moment.\n", "text/plain; charset=utf-8"
    else:
        text, kind = json.dumps(_problem()), "application/problem+json"
    return HttpResponse(text, status=503, content_type=kind, headers={"Retry-After": str(RETRY_AFTER_S)})


def _guard_page(request: HttpRequest, response: HttpResponseBase) -> None:
    if response.headers.get("Content-Type", "").startswith("text/html"):
        policy = next(
            (policy for start, policy in _PAGE_POLICIES.items() if request.path.startswith(start)), _SELF_ONLY
        )
        response.headers.setdefault("Content-Security-Policy", policy)


def _see_through(request: HttpRequest, hops: int) -> None:
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if len(seen) >= hops and seen[-hops]:
        request.META["REMOTE_ADDR"] = seen[-hops]


def _problem() -> dict[str, object]:
    return {
        "type": "https://swiftex.dev/problems/unavailable",
        "title": "Swiftex cannot store anything right now; ask again",
        "status": 503,
        "detail": "Ask again in a moment, best with an Idempotency-Key: then nothing is stored twice.",
        "correlation_id": correlation.request_id.get(),
    }


def _note(request: HttpRequest, status: int, seconds: float) -> None:
    match = request.resolver_match
    route = "admin" if request.path.startswith("/admin/") else match.route if match else "none"
    metrics.request_duration(route=route, status=status, seconds=seconds)
    logger.info(
        "request served",
        extra={"method": request.method, "path": request.path, "status": status, "ms": round(seconds * 1000, 1)},
    )
