"""Callbacks of Twilio: `/webhooks/twilio/{organization}.{channel}/sms|status|voice`."""

import logging
import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.api.problems import problem_page
from channels_out import senders
from channels_out.callbacks import signatures
from channels_out.callbacks.bodies import TooLarge, read_body
from channels_out.callbacks.storing import Received
from channels_out.payloads import twilio as payload
from channels_out.senders import Sender
from channels_out.services import inbound
from swiftex import clock
from swiftex.observability import metrics

logger = logging.getLogger(__name__)


_NOBODYS_TOKEN = secrets.token_hex(32)
# An empty answer tells Twilio to say nothing; any text would be sent on to the person, and billed.
_SILENCE = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@csrf_exempt
@require_POST
def twilio(request: HttpRequest, key: str, endpoint: str) -> HttpResponse:
    """The callback is stored, and what a person wrote is in effect, before it is answered.

    401 for a wrong signature or an unknown address, 413 for too much; nothing is stored then.
    """
    sender = senders.sender_by_key(key)
    if sender is not None and not sender.kind.startswith("twilio_"):
        sender = None
    try:
        body = read_body(request)
        form = QueryDict(body, encoding="utf-8")
    except TooLarge:
        return problem_page("too-large", 413)
    except SuspiciousOperation:
        return problem_page("malformed-body", 400)
    given = request.headers.get("X-Twilio-Signature", "")
    if not signatures.is_twilios(_public_url(request), form, given, _tokens(sender)) or sender is None:
        metrics.callback_received(provider="twilio", outcome="refused")
        logger.warning("a callback without a valid signature was refused", extra={"provider": "twilio"})
        return problem_page("bad-signature", 401)
    _store(request, sender, endpoint, body, form)
    if endpoint == "status":
        return HttpResponse(status=204)
    return HttpResponse(_SILENCE, content_type="text/xml")


def _store(request: HttpRequest, sender: Sender, endpoint: str, body: bytes, form: QueryDict) -> None:
    received = Received(
        sender,
        endpoint=endpoint,
        query=request.META.get("QUERY_STRING", ""),
        body=body,
        content_type=request.headers.get("Content-Type", ""),
    )
    values: dict[str, Any] = form.dict()
    heard = payload.heard_in(values) if endpoint == "sms" else None

    def act() -> None:
        if heard is not None:
            inbound.record_inbound(sender=sender, heard=heard, now=clock.now())

    received.store(
        is_to_fold=endpoint == "status",
        act=act if heard is not None else None,
        quarantine="unreadable" if endpoint == "sms" and heard is None else "",
    )


def _public_url(request: HttpRequest) -> str:
    """The address as Twilio called it: behind a proxy only the configuration knows scheme and host."""
    query = request.META.get("QUERY_STRING", "")
    return f"{settings.PUBLIC_URL}{request.path}" + (f"?{query}" if query else "")


def _tokens(sender: Sender | None) -> list[str]:
    known = sender.account.credentials if sender else {}
    tokens = [str(known[name]) for name in ("auth_token", "previous_auth_token") if known.get(name)]
    return tokens or [_NOBODYS_TOKEN]
