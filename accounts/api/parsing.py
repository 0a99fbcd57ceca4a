"""Bodies of the API: JSON objects of a bounded size and depth, of text that PostgreSQL can hold.

Whatever is wrong is a 400 (or 413) that names the field, found before any serializer sees the value.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.exceptions import ErrorDetail
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from accounts.api.problems import BodyTooLarge, MalformedBody

MAX_DEPTH = 16
MAX_FIELDS = 1_000
# Naming the field that broke the fast parser costs a second, slow pass; a body above this only gets the position.
_EXPLAINED_BYTES = 200_000
_EXPLAINED_DEPTH = 100

Found = tuple[str, str]


class StrictJSONParser(BaseParser):
    """application/json to dict; the bytes stay readable through raw_body().

    Limits, which a view may widen: `max_body_bytes` (default settings.SWIFTEX_API_MAX_BODY_BYTES), `max_fields`
    (default 1,000 values in all), both as class attributes.  Raises MalformedBody and BodyTooLarge.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object that the body holds."""
        context = parser_context or {}
        view = context.get("view")
        body = read_limited(stream, getattr(view, "max_body_bytes", settings.SWIFTEX_API_MAX_BODY_BYTES), context)
        request = context.get("request")
        if request is not None:
            request.raw_body = body
        return parse_object(body, max_fields=getattr(view, "max_fields", MAX_FIELDS))


def raw_body(request: Request) -> bytes:
    """The bytes that the request's data was parsed from."""
    request.data  # noqa: B018 - reading it is what parses the body
    return getattr(request, "raw_body", b"")


def read_limited(stream: IO[Any], limit: int, context: Mapping[str, Any]) -> bytes:
    """All bytes of the stream; raises BodyTooLarge before reading one byte more than limit + 1."""
    request = context.get("request")
    announced = request.META.get("CONTENT_LENGTH") if request is not None else None
    if announced and announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge
    try:
        body: bytes = stream.read(limit + 1)
    except UnreadablePostError:
        raise _malformed("", "the body ended early") from None
    if len(body) > limit:
        raise BodyTooLarge
    return body


def parse_object(body: bytes, *, max_fields: int = MAX_FIELDS) -> dict[str, Any]:
    """The JSON object in body, every value of which can be stored; raises MalformedBody naming one that can't."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(*_explained(body, error)) from None
    if not isinstance(value, dict):
        raise _malformed("", "the body must be a JSON object")
    if (found := find_unstorable(value, max_fields=max_fields)) is not None:
        raise _malformed(*found)
    return value


def find_unstorable(value: object, *, max_depth: int = MAX_DEPTH, max_fields: int = MAX_FIELDS) -> Found | None:
    """(path, reason) of a value that is too deep, one too many, or has a NUL character; None if there is none.

    Walks without recursion, so that no depth of nesting can end the process.
    """
    pending: list[tuple[str, object, int]] = [("", value, 1)]
    count = 0
    while pending:
        path, current, depth = pending.pop()
        count += 1
        if count > max_fields:
            return path, f"more than {max_fields} values in one body"
        if isinstance(current, str):
            if "\x00" in current:
                return path, "must not contain a NUL character"
        elif isinstance(current, dict | list):
            if depth > max_depth:
                return path, f"nested deeper than {max_depth} levels"
            if isinstance(current, dict) and any("\x00" in key for key in current):
                return path, "has a key with a NUL character"
            pending.extend(_children(path, current, depth + 1))
    return None


def _children(path: str, value: dict[str, Any] | list[Any], depth: int) -> Iterator[tuple[str, object, int]]:
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        for key, inner in value.items():
            yield prefix + _shown(key), inner, depth
    else:
        for index, inner in enumerate(value):
            yield f"{path}[{index}]", inner, depth


def _shown(key: str) -> str:
    """A caller's key in a message: short, and without what would not survive being written out."""
    return key[:60].encode("ascii", "backslashreplace").decode() if not key.isprintable() else key[:60]


def _malformed(path: str, reason: str) -> MalformedBody:
    problem = MalformedBody()
    problem.detail = {path: [ErrorDetail(reason, "malformed")]}
    return problem


def _explained(body: bytes, error: orjson.JSONDecodeError) -> Found:
    """Which field the strict parser refused and why; the lenient parser of the standard library finds the place."""
    if not body.strip():
        return "", "the body is empty; a JSON object is needed"
    try:
        text = body.decode()
    except UnicodeDecodeError as broken:
        return "", f"not valid UTF-8 at byte {broken.start}"
    if len(body) <= _EXPLAINED_BYTES and not _is_deep(text):
        try:
            found = _find_unreadable(json.loads(text, strict=False))
        except (ValueError, RecursionError):
            found = None
        if found is not None:
            return found
    if _is_deep(text):
        return "", f"nested deeper than {MAX_DEPTH} levels"
    return "", f"not valid JSON: {error.msg.partition(':')[0]} (line {error.lineno}, column {error.colno})"


def _is_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > _EXPLAINED_DEPTH and _nesting(text) > _EXPLAINED_DEPTH


def _nesting(text: str) -> int:
    """An upper bound of how deep the JSON nests; brackets inside strings count too, which only costs an explanation."""
    deepest = depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _find_unreadable(value: object) -> Found | None:
    pending: list[tuple[str, object, int]] = [("", value, 1)]
    while pending:
        path, current, depth = pending.pop()
        if isinstance(current, str) and (reason := _fault_of_text(current)) is not None:
            return path, reason
        if isinstance(current, int | float) and not _is_finite(current):
            return path, "must be a finite number"
        if isinstance(current, dict | list):
            pending.extend(_children(path, current, depth))
    return None


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _fault_of_text(text: str) -> str | None:
    if "\x00" in text:
        return "must not contain a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must not contain half of a surrogate pair"
    return None
