"""Is this process alive, is the whole of Swiftex ready, and what do the metrics say (docs/how-to/monitor.md).

/readyz says 200 for the first time when everything was seen working: database, migrations, Redis, broker, relay and a
worker for each queue.  From then on the database alone decides, for with it Swiftex accepts leads and keeps its
promises to them later; what else ails is listed.  Probes create nothing, and the answer is kept for a second.
"""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from swiftex.coordination import connection as redis_connection
from swiftex.database import client_deadline
from swiftex.observability import metric_files

Check = Callable[[], str | None]
"""None when all is well, else a short reason without secrets; an exception counts as its type's name."""

_KEPT_FOR_S = 1.0
_TIME_FOR_ALL_CHECKS_S = 1.5
_MIGRATIONS_KEPT_FOR_S = 30.0
_WHOLE_MARKER = "seen-whole"


@dataclass(frozen=True)
class Report:
    """What the checks found: name -> reason, for those that failed."""

    failed: dict[str, str]
    names: tuple[str, ...]
    is_ready: bool


def register_check(name: str, check: Check) -> None:
    """/readyz asks this too.  The composition root adds what the ground can't know: broker, relay, workers."""
    _checks[name] = check


@require_safe
def alive(_request: HttpRequest) -> HttpResponse:
    """200: this process answers.  Nothing else is asked, so a restart is never caused by another service."""
    return JsonResponse({"status": "alive"})


@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """200 when requests should come here, else 503; and each check by name."""
    report = _reports.current()
    body = {
        "status": "ready" if report.is_ready else "not ready",
        "checks": {name: report.failed.get(name, "ok") for name in report.names},
        "degraded": sorted(report.failed),
    }
    return JsonResponse(body, status=200 if report.is_ready else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes on this machine, for whom SWIFTEX_METRICS_TOKEN or the loopback address admits."""
    if not _may_read_metrics(request):
        return HttpResponse("metrics need their token\n", status=401, content_type="text/plain")
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _database() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return None


def _migrations() -> str | None:
    global _migrated_until
    if monotonic() < _migrated_until:
        return None
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return "not applied"
    _migrated_until = monotonic() + _MIGRATIONS_KEPT_FOR_S
    return None


def _redis() -> str | None:
    try:
        redis_connection.call(lambda redis: redis.ping())
    except redis_connection.RedisAway:
        return "no answer"
    return None


_migrated_until = 0.0
_ESSENTIAL = ("database", "migrations")
_checks: dict[str, Check] = {"database": _database, "migrations": _migrations, "redis": _redis}


class _Reports:
    """The latest report; one thread at a time makes a new one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made_at = 0.0
        self._latest: Report | None = None

    def current(self) -> Report:
        with self._lock:
            if self._latest is None or monotonic() - self._made_at > _KEPT_FOR_S:
                self._latest = _look()
                self._made_at = monotonic()
            return self._latest


_reports = _Reports()


def _look() -> Report:
    failed: dict[str, str] = {}
    with client_deadline(_TIME_FOR_ALL_CHECKS_S):
        for name, check in _checks.items():
            try:
                reason = check()
            except Exception as error:  # noqa: BLE001 - a probe reports whatever is wrong, it never fails itself
                reason = "unavailable" if isinstance(error, Error) else type(error).__name__
            if reason is not None:
                failed[name] = reason
    if not failed:
        _note_whole()
    essential_work = not any(name in failed for name in _ESSENTIAL)
    return Report(failed, tuple(_checks), essential_work and (not failed or _was_whole()))


def _note_whole() -> None:
    """Every web process of this start of the stack knows that all of it has worked, also one that is born later."""
    global _is_known_whole
    if not _is_known_whole and (folder := _metrics_folder()):
        (folder / _WHOLE_MARKER).touch()
    _is_known_whole = True


def _was_whole() -> bool:
    folder = _metrics_folder()
    return _is_known_whole or (folder is not None and (folder / _WHOLE_MARKER).exists())


_is_known_whole = False


def _metrics_folder() -> Path | None:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def _registry() -> CollectorRegistry:
    folder = _metrics_folder()
    if folder is None:
        return REGISTRY
    metric_files.forget_dead(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _may_read_metrics(request: HttpRequest) -> bool:
    if token := settings.SWIFTEX_METRICS_TOKEN:
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return request.META.get("REMOTE_ADDR", "") in {"127.0.0.1", "::1"} and not is_forwarded
