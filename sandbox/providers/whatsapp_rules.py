"""Pure: what the WhatsApp Cloud API finds wrong with a message.

Source: Meta's OpenAPI description v23.0 and error reference, 2026-05.
"""

import re
from dataclasses import dataclass

from sandbox.senders import Template

BODY_LIMIT = 4096
TEMPLATE_BODY_LIMIT = 1024
TYPES = ("text", "template", "interactive", "image", "video", "document", "audio", "sticker", "location", "contacts",
         "reaction")  # fmt: skip
_UNHEALTHY = {"PAUSED": 132015, "DISABLED": 132016}


@dataclass(frozen=True, slots=True)
class Wrong:
    """The error a message gets: code and what is wrong in it."""

    code: int
    details: str


def wrong_message(message: dict[str, object], *, to: str) -> Wrong | None:
    """What is wrong with the message's frame, whatever its type; None if nothing. `to` is digits only."""
    if message.get("messaging_product") != "whatsapp":
        return Wrong(100, "messaging_product must be whatsapp")
    if not to:
        return Wrong(131008, "to is required")
    if not 7 <= len(to) <= 15:
        return Wrong(131009, "to is not a valid phone number")
    kind = message.get("type", "text")
    if kind not in TYPES:
        return Wrong(131051, f"type {kind} is not supported")
    if not isinstance(message.get(str(kind)), dict) and kind != "contacts":
        return Wrong(131008, f"{kind} is required")
    return None


def wrong_text(content: dict[str, object]) -> Wrong | None:
    """What is wrong with a text message; None if nothing."""
    body = content.get("body")
    if not isinstance(body, str) or not body:
        return Wrong(131008, "text.body is required")
    if len(body) > BODY_LIMIT:
        return Wrong(131009, "text.body is too long")
    return None


def wrong_template(content: dict[str, object], known: Template | None, *, all_are_known: bool) -> Wrong | None:
    """What is wrong with a template message; None if nothing.

    known: the registered template of that name and language.  all_are_known: the account's templates are
    registered, so that one not among them does not exist; otherwise any name is taken to be approved.
    """
    if known is None and all_are_known:
        return Wrong(132001, "template name does not exist in the language")
    if known is not None and known.status != "APPROVED":
        return Wrong(_UNHEALTHY.get(known.status, 132001), f"template is {known.status}")
    values = body_parameters(content)
    named = [isinstance(value.get("parameter_name"), str) for value in values]
    if any(named) and not all(named):
        return Wrong(132012, "named and positional parameters are mixed")
    wrong = wrong_value(values)
    if wrong is not None or known is None:
        return wrong
    return _unfitting(values, known) or _too_long(values, known)


def body_parameters(content: dict[str, object]) -> list[dict[str, object]]:
    """The parameters of the body component."""
    components = content.get("components")
    for component in components if isinstance(components, list) else []:
        if isinstance(component, dict) and component.get("type") == "body":
            return [value for value in component.get("parameters", []) if isinstance(value, dict)]
    return []


def wrong_value(values: list[dict[str, object]]) -> Wrong | None:
    """A text parameter may not be empty, nor hold newlines, tabs or more than four blanks in a row."""
    for value in values:
        if value.get("type") != "text":
            continue
        text = value.get("text")
        if not isinstance(text, str) or not text.strip():
            return Wrong(132008, "a text parameter is empty")
        if re.search(r"[\n\r\t]| {5,}", text):
            return Wrong(132008, "a text parameter holds a newline, a tab or more than four blanks in a row")
    return None


def _unfitting(values: list[dict[str, object]], known: Template) -> Wrong | None:
    if known.parameters is None:
        return None
    if len(values) != len(known.parameters):
        return Wrong(132000, f"{len(values)} parameters given, {len(known.parameters)} expected")
    given = [value.get("parameter_name") for value in values]
    if known.parameter_format.upper() == "NAMED" and {*given} != {*known.parameters}:
        return Wrong(132012, "the parameter names are not those of the template")
    if known.parameter_format.upper() == "POSITIONAL" and any(given):
        return Wrong(132012, "the template's parameters are positional")
    return None


def _too_long(values: list[dict[str, object]], known: Template) -> Wrong | None:
    text = filled_text(values, known)
    return Wrong(132005, "the text is too long once filled") if len(text) > TEMPLATE_BODY_LIMIT else None


def filled_text(values: list[dict[str, object]], known: Template | None) -> str:
    """The template's body with its parameters filled in; the bare parameters if the body is not known."""
    texts = [str(value.get("text", "")) for value in values]
    if known is None or not known.body:
        return " | ".join(texts)
    body = known.body
    for position, (value, text) in enumerate(zip(values, texts, strict=True), start=1):
        body = body.replace("{{" + str(value.get("parameter_name") or position) + "}}", text)
    return body
