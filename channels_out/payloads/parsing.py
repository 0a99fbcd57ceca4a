"""JSON bodies as providers send them. Pure."""

import json
from typing import Any

import orjson


class Malformed(Exception):
    """The body is not the JSON object that it should be."""


def json_object(body: bytes) -> dict[str, Any]:
    """The object in the body; lone surrogates are let through, as providers send them. Raises Malformed."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            parsed = json.loads(body.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise Malformed from None
    if not isinstance(parsed, dict):
        raise Malformed
    return parsed
