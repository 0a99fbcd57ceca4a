"""WhatsApp Cloud API: messages out, answers in (Meta OpenAPI v23.0 and error codes page, 2026-05)."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import orjson

from channels_out.fallback import ErrorClass
from channels_out.providers import whatsapp_errors
from channels_out.providers.base import (
    Accepted,
    Account,
    ErrorRule,
    Outcome,
    Outgoing,
    Refused,
    Template,
    Unknown,
    retry_after,
)
from swiftex.http import HttpRequest

MAX_TEXT_CHARS = 4096
MAX_PARAMETER_CHARS = 700
_BLANKS = re.compile(r"\s+")


class WhatsAppCloud:
    """A WhatsApp Business number at Meta."""

    kind = "whatsapp_cloud"

    def build_send(self, account: Account, message: Outgoing) -> HttpRequest:
        """POST /{version}/{phone number id}/messages; the attempt's id comes back in every status of the message."""
        content: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.to.lstrip("+"),
            "biz_opaque_callback_data": message.attempt_id.hex,
        }
        if message.template is not None:
            content["type"] = "template"
            content["template"] = _template(message.template, message.parameters)
        else:
            content["type"] = "text"
            content["text"] = {"body": message.text[:MAX_TEXT_CHARS], "preview_url": False}
        return HttpRequest(
            method="POST",
            url=_url(account, f"{account.settings['phone_number_id']}/messages"),
            headers=_headers(account) | {"Content-Type": "application/json"},
            body=orjson.dumps(content),
        )

    def read_outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """A 2xx with an id is a yes; a 4xx, or a 5xx with a code that says so, is a no; all else is unknown."""
        answer = _object(body)
        if 200 <= status < 300:
            provider_id = _first_id(answer)
            if provider_id is None:
                return Unknown(reason="no_id_in_answer")
            return Accepted(provider_id=provider_id, known_as=_known_as(answer))
        if status >= 500 or status < 400:
            code = error_code(answer.get("error"))
            if code in whatsapp_errors.DEFINITE_AT_5XX:
                return self.rule(code).refusal(code, retry_after(headers))
            return Unknown(reason=f"http_{status}")
        return self._refusal(status, answer, retry_after(headers))

    def rule(self, code: str) -> ErrorRule:
        """What a code means, the same in an answer and in a later status."""
        return whatsapp_errors.rule_of(code)

    def _refusal(self, status: int, answer: dict[str, Any], hint_s: float | None) -> Refused:
        code = error_code(answer.get("error"))
        if code is not None:
            return self.rule(code).refusal(code, hint_s)
        code = f"http_{status}"
        if status == 429:
            return Refused(code=code, error=ErrorClass.RETRY, reason="rate_limited", retry_after_s=hint_s or 1.0)
        if status in {401, 403}:
            return Refused(code=code, error=ErrorClass.CHANNEL, reason="authentication_failed", breaker_s=60)
        return Refused(code=code, error=ErrorClass.BUG, reason="refused_without_code")


def error_code(error: object) -> str | None:
    """The code in an error object, as text; None when there is none."""
    code = error.get("code") if isinstance(error, dict) else None
    return str(code)[:20] if isinstance(code, int | str) and not isinstance(code, bool) and str(code) else None


def cleaned_parameter(text: str) -> str:
    """The text as a template parameter may hold it: one line, single blanks, no control characters, not too long."""
    visible = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in {"Cc", "Cs", "Co", "Cn"})
    return _BLANKS.sub(" ", visible).strip()[:MAX_PARAMETER_CHARS] or "-"


def rendered(template: Template, parameters: Mapping[str, str]) -> str:
    """The template's body as the person will read it."""
    text = template.body
    for number, name in enumerate(template.parameters, start=1):
        value = cleaned_parameter(parameters.get(name, ""))
        text = text.replace("{{" + name + "}}", value).replace("{{" + str(number) + "}}", value)
    return text


def template_request(account: Account, name: str) -> HttpRequest:
    """Asks for the template's approval, language and body."""
    path = f"{account.settings['waba_id']}/message_templates?name={name}&fields=name,status,language,components"
    return HttpRequest(method="GET", url=_url(account, path), headers=_headers(account))


def number_request(account: Account) -> HttpRequest:
    """Asks for the number itself: proves that the token is valid and may use it."""
    path = f"{account.settings['phone_number_id']}?fields=display_phone_number,verified_name,quality_rating"
    return HttpRequest(method="GET", url=_url(account, path), headers=_headers(account))


def _url(account: Account, path: str) -> str:
    return f"{account.settings['base_url'].rstrip('/')}/{account.settings['api_version']}/{path}"


def _headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.credentials['access_token']}"}


def _template(template: Template, values: Mapping[str, str]) -> dict[str, Any]:
    parameters: list[dict[str, str]] = []
    for name in template.parameters:
        parameter = {"type": "text", "text": cleaned_parameter(values.get(name, ""))}
        if template.parameter_format == "named":
            parameter["parameter_name"] = name
        parameters.append(parameter)
    content: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
    if parameters:
        content["components"] = [{"type": "body", "parameters": parameters}]
    return content


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _first_id(answer: dict[str, Any]) -> str | None:
    messages = answer.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    provider_id = first.get("id") if isinstance(first, dict) else None
    return provider_id[:200] if isinstance(provider_id, str) and provider_id else None


def _known_as(answer: dict[str, Any]) -> str:
    contacts = answer.get("contacts")
    first = contacts[0] if isinstance(contacts, list) and contacts else None
    digits = first.get("wa_id") if isinstance(first, dict) else None
    return f"+{digits}" if isinstance(digits, str) and digits.isascii() and digits.isdecimal() else ""
