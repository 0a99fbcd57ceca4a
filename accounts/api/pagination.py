"""Lists in pages: `{"data": [...], "next": cursor or null}`, newest first, stable while rows are added."""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, Serializer

from accounts.api.problems import invalid

if TYPE_CHECKING:
    from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
# The parameters of every list, for OpenAPI.
PAGING = ("cursor", "limit")


def page_of(name: str, item: Callable[..., Serializer[Any]]) -> Any:
    """The shape of a page of such items, for OpenAPI."""
    next_page = CharField(allow_null=True, help_text="Send it as ?cursor= to get the next page.")
    return inline_serializer(name, {"data": item(many=True), "next": next_page})


class CursorPages(BasePagination):
    """Pages by `?cursor=` and `?limit=` (1 to 200, default 50).

    A view may set `page_order`: fields, newest first, ending in a unique one; default ("id",), since ids grow with
    time. The cursor holds the last row's values, so a page is one index range however far down it is.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: "APIView | None" = None) -> list[Any]:
        """The rows of the page that the request asks for; raises a 400 for a cursor or limit that cannot be."""
        order: tuple[str, ...] = getattr(view, "page_order", ("id",))
        limit = _limit(request.query_params.get("limit"))
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            queryset = _after(queryset, order, cursor)
        rows = list(queryset.order_by(*(f"-{name}" for name in order))[: limit + 1])
        self._next = _encode(rows[limit - 1], order) if len(rows) > limit else None
        return rows[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        """The envelope around the page's items."""
        return Response({"data": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The envelope for OpenAPI."""
        cursor = {"type": ["string", "null"], "description": "Send it as ?cursor= to get the next page."}
        return {"type": "object", "required": ["data", "next"], "properties": {"data": schema, "next": cursor}}

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        """The query parameters for OpenAPI."""
        return [
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            },
        ]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MAX_LIMIT and len(text) <= 3):
        raise invalid("limit", f"must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _encode(row: Any, order: tuple[str, ...]) -> str:
    values = [_value(row, name) for name in order]
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name)


def _after(queryset: QuerySet[Any], order: tuple[str, ...], cursor: str) -> QuerySet[Any]:
    """Rows that come after the cursor: smaller in the first field, or equal there and smaller in the next."""
    values = _decoded(queryset.model, order, cursor)
    condition, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        condition |= equal & Q(**{f"{name}__lt": value})
        equal &= Q(**{name: value})
    return queryset.filter(condition)


def _decoded(model: type[Model], order: tuple[str, ...], cursor: str) -> list[Any]:
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(order) or None in values:
            raise ValueError
        return [_field(model, name).to_python(value) for name, value in zip(order, values, strict=True)]
    except (ValueError, TypeError, ValidationError):
        raise invalid("cursor", "must be the `next` of an earlier page") from None


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    if not isinstance(field, Field):
        raise TypeError("page_order must name columns")
    return field
