"""Logs as one JSON object a line, with the ids of what is being done, and without anything a customer wrote.

Messages are constant texts and `extra` carries ids; of an exception the type and the place are logged, never its text,
for databases and libraries like to quote values there.
"""

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from swiftex.observability import correlation

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class JsonFormatter(OrjsonFormatter):
    """time, level, logger, message, the ids of the moment, and what `extra` holds."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.pop("request", None)  # Django's own: shows the query string
        log_data.update(correlation.current())

    def formatException(self, ei: _ExcInfo) -> str:
        """The types and places of an exception and of what caused it; see the module's first lines."""
        return "\n".join(_places(ei[1])) if ei[1] is not None else ""


def logging_config(level: str) -> dict[str, Any]:
    """What Django's LOGGING holds in every process; level: of our own loggers."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "swiftex.observability.logs.JsonFormatter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # a line for each task and each provider call costs more than the work, and some quote what was sent
            **{name: {"level": "WARNING"} for name in ("celery.worker.strategy", "celery.app.trace", "twilio", "axes")},
            **{name: {"level": "WARNING"} for name in ("kombu", "urllib3", "celery.redirected")},
            "django": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.request": {"level": "ERROR"},  # what a client did wrong is in the request's own line
            "psycopg.pool": {"level": "ERROR"},
        },
    }


def _places(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        reason = getattr(error, "reason", None)
        code = getattr(error, "sqlstate", None) or (reason if isinstance(reason, str) else None)
        yield f"{type(error).__module__}.{type(error).__qualname__}" + (f" [{code}]" if code else "")
        for frame in traceback.extract_tb(error.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
