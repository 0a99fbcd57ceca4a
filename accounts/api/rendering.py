"""Answers as JSON, written by orjson."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from rest_framework.renderers import BaseRenderer

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


def to_json(data: object) -> bytes:
    """UTF-8 JSON: datetimes as RFC 3339 in UTC with a Z, UUIDs as text, Decimals and lazy texts as text."""
    return orjson.dumps(data, default=_default, option=_OPTIONS)


class OrjsonRenderer(BaseRenderer):
    """Renders what a view returns as application/json; bytes are passed on untouched."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: object,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The body; no data is an empty body."""
        if data is None:
            return b""
        return data if isinstance(data, bytes) else to_json(data)


def _default(value: object) -> object:
    if isinstance(value, datetime | UUID):  # pragma: no cover - orjson knows them; subclasses come here
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
