"""Twilio's REST API under {base}/twilio/2010-04-01/Accounts/{sid}: messages, and the account itself.

Source: Twilio's OpenAPI description, 2026-04.
"""

import base64
import binascii
import math
import re
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl

import orjson

from sandbox.conduct import Act, conduct, refuse_after_latency
from sandbox.dials import Dials, digits
from sandbox.ledger import Entry
from sandbox.providers import twilio_callbacks
from sandbox.senders import Sender
from sandbox.wire import Exchange, Reply
from sandbox.world import World

BODY_LIMIT = 1600
MESSAGES = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21635: "'To' number cannot be a landline",
}
_STATUSES = {20003: 401, 20404: 404, 20429: 429}
_ACCOUNT_PATH = re.compile(
    r"^/twilio/2010-04-01/Accounts/([^/.]+)(?:/(Messages|IncomingPhoneNumbers))?(?:/(\w+))?\.json$"
)
_GSM_7 = re.compile(r"^[\x20-\x5F\x61-\x7E\n\r£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€]*$")


def serve(world: World, exchange: Exchange) -> None:
    """Route below /twilio: POST Messages.json; GET Messages.json, Messages/{sid}.json, the account, its numbers."""
    match = _ACCOUNT_PATH.match(exchange.path)
    if match is None:
        exchange.answer(error_reply(20404, None, None))
        return
    account, collection, sid = match.groups()
    if exchange.method == "POST" and collection == "Messages" and sid is None:
        _send(world, exchange, account)
        return
    known = world.sender("twilio", account)
    if not _is_authentic(exchange, account, known):
        exchange.answer(error_reply(20003, None, None))
    elif collection == "Messages":
        exchange.answer(_find(world, exchange, account, sid))
    elif collection == "IncomingPhoneNumbers":
        exchange.answer(_numbers(exchange, known))
    else:
        facts = {"sid": account, "friendly_name": "Sandbox", "status": "active", "type": "Full"}
        exchange.answer(Reply(200, orjson.dumps(facts)))


def _send(world: World, exchange: Exchange, account: str) -> None:
    form = dict(parse_qsl(exchange.body.decode("utf-8", "replace"), keep_blank_values=True))
    known = world.sender("twilio", account)
    entry = world.ledger.open(
        provider="twilio", kind="message", account=account, arrived_at=exchange.arrived_at, body=exchange.body
    )
    entry.to = digits(form.get("To", ""))
    entry.text = form.get("Body", "")
    entry.opaque = form.get("StatusCallback")
    dials = world.rulebook.dials_for("twilio", account, entry.to, entry.text)
    code = 20003 if not _is_authentic(exchange, account, known) else _wrong(world, form, entry, dials, known)
    if code is not None:
        entry.code = code
        refuse_after_latency(world, exchange, entry, dials, error_reply(code, None, dials.retry_after_s))
        return
    if dials.fault == "error":
        entry.code = dials.error_code
    token = (known and known.auth_token) or _password(exchange)
    act = Act(lambda answer_in_s: _accepted(world, entry, form, token, dials, answer_in_s), error_reply)
    conduct(world, exchange, entry, dials, act)


def _credentials(exchange: Exchange) -> tuple[str, str]:
    encoded = exchange.headers.get("authorization", "").removeprefix("Basic ")
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _password(exchange: Exchange) -> str:
    return _credentials(exchange)[1]


def _is_authentic(exchange: Exchange, account: str, known: Sender | None) -> bool:
    """With the account's own token if one is registered; an API key (SK...) with any secret is taken."""
    user, password = _credentials(exchange)
    if not password or (user != account and not user.startswith("SK")):
        return False
    return user.startswith("SK") or known is None or not known.auth_token or password == known.auth_token


def _wrong(world: World, form: dict[str, str], entry: Entry, dials: Dials, known: Sender | None) -> int | None:
    """The code of what is wrong with the message, or with sending it now; None if nothing."""
    code = wrong_form(form)
    if code is None and known is not None and entry.to in known.blocked:
        return 21610
    if code is None and world.is_over_rate("twilio", entry.account, dials):
        return 20429
    return code


def wrong_form(form: dict[str, str]) -> int | None:
    """The code of the first thing that is wrong with the form's own fields; None if nothing."""
    if not form.get("To"):
        return 21604
    if not form["To"].startswith("+") or not 8 <= len(digits(form["To"])) <= 15:
        return 21211
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 21603
    if not any(form.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
        return 21602
    return 21617 if len(form.get("Body", "")) > BODY_LIMIT else None


def _accepted(world: World, entry: Entry, form: dict[str, str], token: str, dials: Dials, answer_in_s: float) -> Reply:
    entry.id = f"SM{world.new_id().lower()}0123456789"
    now = format_datetime(datetime.now(UTC))
    message: dict[str, object] = {
        "sid": entry.id,
        "status": "accepted" if form.get("MessagingServiceSid") else "queued",
        "to": form["To"],
        "from": form.get("From"),
        "body": entry.text,
        "num_segments": str(segment_count(entry.text)),
        "num_media": "0",
        "error_code": None,
        "error_message": None,
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "price": None,
        "price_unit": None,
        "direction": "outbound-api",
        "api_version": "2010-04-01",
        "account_sid": entry.account,
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "uri": f"/2010-04-01/Accounts/{entry.account}/Messages/{entry.id}.json",
        "subresource_uris": {},
    }
    reply = Reply(201, orjson.dumps(message))
    world.twilio_messages[entry.id] = {**message, "date_sent": now, "sent_at": time.time()}
    twilio_callbacks.schedule_receipts(world, entry, form, token, dials, answer_in_s)
    return reply


def segment_count(text: str) -> int:
    """How many SMS the text takes: 160/153 GSM-7 or 70/67 UCS-2 characters each. Source: Twilio, 2026-04."""
    single, multi = (160, 153) if _GSM_7.match(text) else (70, 67)
    return 1 if len(text) <= single else math.ceil(len(text) / multi)


def _find(world: World, exchange: Exchange, account: str, sid: str | None) -> Reply:
    own = [message for message in world.twilio_messages.values() if message["account_sid"] == account]
    if sid is not None:
        found = next((message for message in own if message["sid"] == sid), None)
        return error_reply(20404, None, None) if found is None else Reply(200, orjson.dumps(_as_api(found)))
    asked = exchange.parameters()
    # `DateSent>=2026-11-21` arrives as a parameter named `DateSent>`; a day or an exact time.
    since = asked.get("DateSent>", asked.get("DateSent", ""))
    since_at = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp() if since else 0.0
    found_all = [
        message
        for message in reversed(own)
        if asked.get("To") in (None, message["to"])
        and asked.get("From") in (None, message["from"])
        and float(str(message["sent_at"])) >= since_at
    ]
    page = {
        "messages": [_as_api(message) for message in found_all[:1000]],
        "page": 0,
        "page_size": 1000,
        "start": 0,
        "end": max(0, len(found_all) - 1),
        "next_page_uri": None,
        "uri": exchange.path.removeprefix("/twilio"),
    }
    return Reply(200, orjson.dumps(page))


def _as_api(message: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in message.items() if name != "sent_at"}


def _numbers(exchange: Exchange, known: Sender | None) -> Reply:
    number = exchange.parameters().get("PhoneNumber") or (known.from_number if known else "")
    is_own = bool(number) and (known is None or not known.from_number or digits(number) == digits(known.from_number))
    capabilities = {"sms": True, "mms": False, "voice": True}
    numbers = [{"sid": "PN0", "phone_number": number, "capabilities": capabilities}] if is_own else []
    return Reply(200, orjson.dumps({"incoming_phone_numbers": numbers, "page": 0}))


def error_reply(code: int | None, status: int | None, retry_after_s: float | None) -> Reply:
    """Twilio's error shape; the code defaults to 20500, the HTTP status to the code's own."""
    code = 20500 if code is None else code
    status = status or _STATUSES.get(code, 500 if code == 20500 else 400)
    body = {
        "code": code,
        "message": MESSAGES.get(code, "An error has occurred"),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = () if retry_after_s is None else (("Retry-After", f"{retry_after_s:g}"),)
    return Reply(status, orjson.dumps(body), headers=headers)
