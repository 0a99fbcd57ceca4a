"""`?field__op=` filters of the lists: each parameter is known and read strictly, or refused by name."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from accounts.api.problems import invalid
from swiftex.ids import Prefix, parse_public_id

Reader = Callable[[str], Any]
Row = TypeVar("Row", bound=Model)

_PAGING = frozenset({"cursor", "limit", "format"})


def filtered(rows: QuerySet[Row], request: Request, readers: Mapping[str, tuple[str, Reader]]) -> QuerySet[Row]:
    """The rows that fit every parameter; raises a 400 naming a parameter that is unknown or cannot be read.

    readers: parameter to (lookup of the ORM, reader of the text, which raises ValueError with the reason).
    """
    lookups: dict[str, Any] = {}
    for name in request.query_params:
        text = request.query_params.get(name) or ""
        if name in _PAGING:
            continue
        if name not in readers:
            raise invalid(name[:60], "is not a filter of this list", "unknown_filter")
        lookup, read = readers[name]
        try:
            lookups[lookup] = read(text)
        except ValueError as error:
            raise invalid(name, str(error)) from None
    return rows.filter(**lookups)


def moments(name: str) -> dict[str, tuple[str, Reader]]:
    """The four comparisons of a time column: name__gte, __gt, __lte, __lt."""
    return {f"{name}__{op}": (f"{name}__{op}", read_moment) for op in ("gte", "gt", "lte", "lt")}


def read_moment(text: str) -> datetime:
    """An RFC 3339 moment with its zone."""
    # In a query string an unescaped plus arrives as a blank.
    moment = parse_datetime(text.strip().replace(" ", "+" if "T" in text else " "))
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a moment with a zone, such as 2026-11-21T18:00:00Z")
    return moment


def read_text(text: str) -> str:
    """A text of at most 254 characters that the database can hold."""
    if len(text) > 254 or "\x00" in text:
        raise ValueError("must be text of at most 254 characters")
    return text


def read_one_of(codes: Iterable[str]) -> Reader:
    """One of the codes."""
    known = sorted(codes)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return text

    return read


def read_id(prefix: Prefix) -> Reader:
    """A public id with that prefix."""

    def read(text: str) -> UUID:
        return parse_public_id(prefix, text)

    return read
