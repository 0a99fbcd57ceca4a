"""Callbacks of the WhatsApp Cloud API: `/webhooks/whatsapp/{organization}.{channel}`."""

import logging
import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.api.problems import problem_page
from channels_out import senders
from channels_out.callbacks import signatures
from channels_out.callbacks.bodies import TooLarge, read_body
from channels_out.callbacks.storing import Received
from channels_out.payloads import whatsapp as payload
from channels_out.payloads.parsing import Malformed, json_object
from channels_out.senders import Sender
from channels_out.services import inbound
from swiftex import clock
from swiftex.observability import metrics

logger = logging.getLogger(__name__)

# Stands in for the secret of an address that nobody has, or of a channel without one: refusing takes the same time,
# and nobody can know it.
_NOBODYS_SECRET = secrets.token_hex(32)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def whatsapp(request: HttpRequest, key: str) -> HttpResponse:
    """GET answers Meta's challenge; POST is stored, and what a person wrote is in effect, before it is answered.

    401 for a wrong signature or an unknown address, 400 for no JSON, 413 for too much; nothing is stored then.
    """
    sender = senders.sender_by_key(key)
    if sender is not None and sender.kind != "whatsapp_cloud":
        sender = None
    return _verify(request, sender) if request.method == "GET" else _receive(request, sender)


def _verify(request: HttpRequest, sender: Sender | None) -> HttpResponse:
    expected = str(sender.account.credentials.get("verify_token", "")) if sender else ""
    is_right = signatures.is_token(request.GET.get("hub.verify_token", ""), expected)
    if not is_right or request.GET.get("hub.mode") != "subscribe":
        return problem_page("forbidden", 403)
    return HttpResponse(request.GET.get("hub.challenge", ""), content_type="text/plain")


def _receive(request: HttpRequest, sender: Sender | None) -> HttpResponse:
    try:
        body = read_body(request)
    except TooLarge:
        return problem_page("too-large", 413)
    given = request.headers.get("X-Hub-Signature-256", "")
    if not signatures.is_metas(body, given, _secrets_of(sender)) or sender is None:
        metrics.callback_received(provider="whatsapp", outcome="refused")
        logger.warning("a callback without a valid signature was refused", extra={"provider": "whatsapp"})
        return problem_page("bad-signature", 401)
    try:
        content = json_object(body)
    except Malformed:
        metrics.callback_received(provider="whatsapp", outcome="refused")
        return problem_page("malformed-body", 400)
    _store(request, sender, body, content)
    return HttpResponse("", content_type="text/plain")


def _store(request: HttpRequest, sender: Sender, body: bytes, content: dict[str, Any]) -> None:
    received = Received(sender, endpoint="", query="", body=body, content_type=request.headers.get("Content-Type", ""))
    strangers = [number for number in payload.numbers_in(content) if senders.sibling(sender, number) is None]
    received.store(
        is_to_fold=payload.has_statuses(content),
        act=(lambda: _act(sender, content)) if payload.has_news_to_act_on(content) else None,
        quarantine="unknown_phone_number_id" if strangers else "",
    )


def _act(sender: Sender, content: dict[str, Any]) -> None:
    now = clock.now()
    for heard in payload.heard_in(content):
        at_number = senders.sibling(sender, heard.sender_id)
        if at_number is not None:
            inbound.record_inbound(sender=at_number, heard=heard, now=now)
    for wish in payload.preferences_in(content):
        at_number = senders.sibling(sender, wish.sender_id) if wish.sender_id else sender
        if at_number is not None:
            inbound.record_preference(sender=at_number, wish=wish, now=now)


def _secrets_of(sender: Sender | None) -> list[str]:
    """The app secrets that may have signed: the present one and, while it is being replaced, the former."""
    known = sender.account.credentials if sender else {}
    found = [str(known[name]) for name in ("app_secret", "previous_app_secret") if known.get(name)]
    return found or [_NOBODYS_SECRET]
