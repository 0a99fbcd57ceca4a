"""Validation errors in the words of the configuration file: the path, and what would be right. Never the value."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from accounts.config_sections import Mistake
from swiftex.configuration.file import joined

_TEXTS: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "unknown key",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "union_tag_not_found": "is required",
}
_FORMATS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "literal_error": lambda context: f"must be one of {context['expected']}",
    "enum": lambda context: f"must be one of {context['expected']}",
    "union_tag_invalid": lambda context: f"must be one of {context['expected_tags']}",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "greater_than": lambda context: f"must be more than {context['gt']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "less_than": lambda context: f"must be less than {context['lt']}",
    "string_too_short": lambda context: f"must have at least {context['min_length']} characters",
    "string_too_long": lambda context: f"must have at most {context['max_length']} characters",
    "too_short": lambda context: f"must have at least {context['min_length']} entries",
    "too_long": lambda context: f"must have at most {context['max_length']} entries",
    "string_pattern_mismatch": lambda context: f"must match {context['pattern']}",
    "value_error": lambda context: str(context["error"]),
}


def mistakes_of(key: str, raw: object, error: ValidationError) -> Iterator[Mistake]:
    """The mistakes in the section `key`, whose value in the file is raw."""
    for found in error.errors(include_url=False, include_input=True):
        path = _path(key, raw, found["loc"], found["type"])
        if found["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            path = joined(path, str(found["ctx"]["discriminator"]).strip("'"))
        yield Mistake(path, _reason(found["type"], found.get("ctx", {}), found["input"], found["msg"]))


def _reason(kind: str, context: Mapping[str, Any], value: object, message: str) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return "must be text; put it in quotes"
    if kind in _TEXTS:
        return _TEXTS[kind]
    if kind in _FORMATS:
        return _FORMATS[kind](context)
    return message[:1].lower() + message[1:]


def _path(key: str, raw: object, location: tuple[int | str, ...], kind: str) -> str:
    """The place in the file: pydantic's location without the tags it adds where a `kind` chose the shape."""
    path, current = key, raw
    for index, part in enumerate(location):
        following = location[index + 1] if index + 1 < len(location) else None
        if isinstance(part, str) and _is_tag(current, part, following, kind):
            continue
        path = joined(path, part)
        current = _inside(current, part)
    return path


def _is_tag(current: object, part: str, following: int | str | None, kind: str) -> bool:
    if not isinstance(current, dict):
        return True
    if part not in current:
        return following is not None or kind != "missing"
    if following is None or isinstance(current[part], dict | list):
        return False
    # A tag that is also the name of a plain key: what follows then belongs beside that key, not inside it.
    return following in current or kind == "missing"


def _inside(current: object, part: int | str) -> object:
    if isinstance(current, dict):
        return current.get(part)
    if isinstance(current, list) and isinstance(part, int) and part < len(current):
        return current[part]
    return None
