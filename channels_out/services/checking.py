"""Is a channel ready to send? Token, templates and callback are asked for, without sending anything to anybody."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings

from channels_out import senders
from channels_out.models import SENDABLE_KINDS, Channel
from channels_out.payloads.parsing import Malformed, json_object
from channels_out.providers import twilio_sms, whatsapp_cloud
from channels_out.providers.base import Template
from channels_out.senders import Sender
from channels_out.template_rules import template_problem
from swiftex import clock
from swiftex.http import HttpFailure, HttpRequest, HttpResponse, perform
from swiftex.ids import new_id

_ASK_S = 5.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.  detail: what is wrong and what to do, or what was found."""

    name: str
    is_ok: bool
    detail: str


class UnknownChannel(LookupError):
    """The organization has no channel of that name."""


def check_channel(*, organization_id: UUID, name: str) -> list[Check]:
    """Every check of the channel, in order, also stored on it. Sends no message.

    Raises UnknownChannel.  Not inside a transaction.
    """
    senders.forget()
    sender = senders.senders_of(organization_id).by_name.get(name)
    if sender is None:
        raise UnknownChannel(name)
    checks = list(_checks(sender))
    result = {"ok": all(check.is_ok for check in checks), "checks": [asdict(check) for check in checks]}
    Channel.objects.filter(pk=sender.id).update(checked_at=clock.now(), check_result=result)
    if result["ok"]:
        senders.resume(sender)
    return checks


def _checks(sender: Sender) -> Iterator[Check]:
    if sender.kind not in SENDABLE_KINDS:
        yield Check("kind", False, f"channels of the kind {sender.kind} are kept, but nothing is sent over them yet")
        return
    yield Check("active", sender.is_active, "on" if sender.is_active else "switched off: nothing is sent from here")
    yield from _whatsapp(sender) if sender.kind == "whatsapp_cloud" else _twilio(sender)


def _whatsapp(sender: Sender) -> Iterator[Check]:
    if missing := _missing(sender, ("access_token", "app_secret", "verify_token"), ("phone_number_id", "waba_id")):
        yield missing
        return
    yield _asked("token", lambda: whatsapp_cloud.number_request(sender.account), _number)
    templates = list(senders.senders_of(sender.organization_id).templates.values())
    for template in templates:
        yield _asked(
            f"template {template.name}",
            lambda template=template: whatsapp_cloud.template_request(sender.account, template.name),  # type: ignore[misc]
            lambda answer, template=template: _template(answer, template),  # type: ignore[misc]
        )
    if not templates:
        yield Check("template", False, "no template is configured: a first contact on WhatsApp needs one")
    yield _whatsapp_callback(sender)


def _twilio(sender: Sender) -> Iterator[Check]:
    if missing := _missing(sender, ("auth_token",), ("account_sid",)):
        yield missing
        return
    yield _asked("credentials", lambda: twilio_sms.account_request(sender.account), _account)
    url = f"{settings.PUBLIC_URL}/webhooks/twilio/{sender.key}/status"
    request = HttpRequest("POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, b"")
    yield _asked("callback", lambda: request, lambda answer: _refuses(answer, url))


def _missing(sender: Sender, secrets: tuple[str, ...], names: tuple[str, ...]) -> Check | None:
    missing = [name for name in secrets if not sender.account.credentials.get(name)]
    missing += [name for name in names if not sender.account.settings.get(name)]
    return Check("configuration", False, f"not set: {', '.join(missing)}") if missing else None


def _asked(name: str, build: Callable[[], HttpRequest], read: Callable[[HttpResponse], tuple[bool, str]]) -> Check:
    try:
        answer = perform(build(), deadline_s=_ASK_S)
    except HttpFailure as failure:
        return Check(name, False, f"no answer ({failure.reason}): check the address and the network")
    is_ok, detail = read(answer)
    return Check(name, is_ok, detail)


def _content(answer: HttpResponse) -> dict[str, Any]:
    try:
        return json_object(answer.body)
    except Malformed:
        return {}


def _number(answer: HttpResponse) -> tuple[bool, str]:
    content = _content(answer)
    if answer.status == 200:
        return True, f"valid for {content.get('display_phone_number', 'the number')}"
    code = whatsapp_cloud.error_code(content.get("error")) or f"HTTP {answer.status}"
    return False, f"refused ({code}): make a new access token with whatsapp_business_messaging and set it"


def _template(answer: HttpResponse, template: Template) -> tuple[bool, str]:
    if answer.status != 200:
        return False, f"could not be read (HTTP {answer.status}): the token needs whatsapp_business_management"
    found = [t for t in _content(answer).get("data") or [] if isinstance(t, dict) and t.get("name") == template.name]
    same = next((t for t in found if t.get("language") == template.language), None)
    if same is None:
        languages = ", ".join(sorted(str(t.get("language")) for t in found)) or "none"
        return False, f"not there in {template.language} (there in: {languages})"
    if same.get("status") != "APPROVED":
        return False, f"is {same.get('status')}, not APPROVED"
    body = next((c.get("text") for c in same.get("components") or [] if c.get("type") == "BODY"), None)
    problem = template_problem(str(body), template.parameters, template.parameter_format) if body else None
    return (False, f"at the provider, {problem}") if problem else (True, "approved, parameters fit")


def _whatsapp_callback(sender: Sender) -> Check:
    challenge = new_id().hex
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": challenge,
        "hub.verify_token": str(sender.account.credentials["verify_token"]),
    }
    url = f"{settings.PUBLIC_URL}/webhooks/whatsapp/{sender.key}"

    def read(answer: HttpResponse) -> tuple[bool, str]:
        is_ok = answer.status == 200 and answer.body.decode("ascii", "replace") == challenge
        return is_ok, url if is_ok else f"{url} answers HTTP {answer.status} without the challenge: check PUBLIC_URL"

    return _asked("callback", lambda: HttpRequest("GET", f"{url}?{urlencode(query)}"), read)


def _account(answer: HttpResponse) -> tuple[bool, str]:
    if answer.status == 200:
        return True, f"valid, the account is {_content(answer).get('status', 'there')}"
    return False, f"refused (HTTP {answer.status}): check account_sid and auth_token"


def _refuses(answer: HttpResponse, url: str) -> tuple[bool, str]:
    """An unsigned call has to be refused: by that the right place shows that it is listening."""
    if answer.status == 401:
        return True, url
    return False, f"{url} answers HTTP {answer.status}: check PUBLIC_URL"
