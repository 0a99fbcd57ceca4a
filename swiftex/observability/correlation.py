"""Ids that belong to what is being done right now; log lines and provider calls carry them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
organization_id: ContextVar[str | None] = ContextVar("organization_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)

_VARIABLES = {
    "request_id": request_id,
    "correlation_id": correlation_id,
    "organization_id": organization_id,
    "job_id": job_id,
}


@contextmanager
def bind(**ids: UUID | str | None) -> Iterator[None]:
    """Inside the block the named ids are these; afterwards they are what they were before.

    ids: any of request_id, correlation_id, organization_id, job_id.  Raises KeyError for another name.
    """
    tokens = [
        (_VARIABLES[name], _VARIABLES[name].set(None if value is None else str(value))) for name, value in ids.items()
    ]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def current() -> dict[str, str]:
    """The ids that are set, by name."""
    return {name: value for name, variable in _VARIABLES.items() if (value := variable.get()) is not None}
