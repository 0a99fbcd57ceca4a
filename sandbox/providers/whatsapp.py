"""The WhatsApp Cloud API under {base}/whatsapp/{version}/: send a message, and what a channel check reads.

Source: Meta's OpenAPI description v23.0.
"""

import orjson

from sandbox.conduct import Act, conduct, refuse_after_latency
from sandbox.dials import Dials, digits
from sandbox.ledger import Entry
from sandbox.providers import whatsapp_callbacks
from sandbox.providers.whatsapp_errors import error_reply
from sandbox.providers.whatsapp_rules import (
    Wrong,
    body_parameters,
    filled_text,
    wrong_message,
    wrong_template,
    wrong_text,
)
from sandbox.senders import Sender
from sandbox.wire import Exchange, Reply
from sandbox.world import World

Message = dict[str, object]


def serve(world: World, exchange: Exchange) -> None:
    """Route below /whatsapp: POST {version}/{id}/messages, GET {version}/{id}[/...]."""
    parts = exchange.path.strip("/").split("/")[2:]
    if exchange.method == "POST" and len(parts) == 2 and parts[1] == "messages":
        _messages(world, exchange, parts[0])
    elif exchange.method == "GET" and parts:
        _look_up(world, exchange, parts)
    else:
        exchange.answer(error_reply(100, 404, None, "Unsupported request"))


def _messages(world: World, exchange: Exchange, account: str) -> None:
    try:
        message = orjson.loads(exchange.body)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        exchange.answer(error_reply(100, None, None, "The body is not a JSON object"))
        return
    if message.get("status") == "read":
        exchange.answer(Reply(200, b'{"success":true}'))
        return
    _send(world, exchange, account, message)


def _send(world: World, exchange: Exchange, account: str, message: Message) -> None:
    known = world.sender("whatsapp", account)
    entry = world.ledger.open(
        provider="whatsapp", kind="message", account=account, arrived_at=exchange.arrived_at, body=exchange.body
    )
    entry.to = to = digits(str(message.get("to") or message.get("recipient") or ""))
    opaque = message.get("biz_opaque_callback_data")
    entry.opaque = str(opaque) if opaque is not None else None
    _note_content(entry, message, known)
    dials = world.rulebook.dials_for("whatsapp", account, to, entry.text)
    wrong = _wrong(world, exchange, message, entry, dials, known)
    if wrong is not None:
        entry.code = wrong.code
        refuse_after_latency(
            world, exchange, entry, dials, error_reply(wrong.code, None, dials.retry_after_s, wrong.details)
        )
        return
    if dials.fault == "error":
        entry.code = dials.error_code
    failed_code = dials.failed_code or _withheld_code(message, known, to, dials)
    act = Act(lambda answer_in_s: _accepted(world, entry, message, dials, answer_in_s, failed_code), error_reply)
    conduct(world, exchange, entry, dials, act)


def _note_content(entry: Entry, message: Message, known: Sender | None) -> None:
    template = message.get("template")
    if isinstance(template, dict):
        entry.template = str(template.get("name"))
        registered = known.template(entry.template, _language(template)) if known else None
        entry.text = filled_text(body_parameters(template), registered)
        return
    text = message.get("text")
    if isinstance(text, dict):
        entry.text = str(text.get("body", ""))


def _language(template: dict[str, object]) -> str:
    language = template.get("language")
    return str(language.get("code", "")) if isinstance(language, dict) else ""


def _wrong(
    world: World, exchange: Exchange, message: Message, entry: Entry, dials: Dials, known: Sender | None
) -> Wrong | None:
    return (
        wrong_token(exchange, known)
        or wrong_message(message, to=entry.to)
        or _wrong_content(message, entry, dials, known)
        or _over_limit(world, entry, dials)
    )


def wrong_token(exchange: Exchange, known: Sender | None) -> Wrong | None:
    """190 without a Bearer token, or with another than the registered one."""
    token = exchange.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not token or (known is not None and known.access_token and token != known.access_token):
        return Wrong(190, "The access token could not be decrypted or has expired")
    return None


def _wrong_content(message: Message, entry: Entry, dials: Dials, known: Sender | None) -> Wrong | None:
    template, text = message.get("template"), message.get("text")
    if isinstance(template, dict):
        registered = known.template(str(template.get("name")), _language(template)) if known else None
        return wrong_template(template, registered, all_are_known=bool(known and known.templates))
    if isinstance(text, dict):
        wrong = wrong_text(text)
        if wrong is not None:
            return wrong
    is_open = dials.window == "open" or (dials.window == "auto" and (known is None or known.window_is_open(entry.to)))
    return None if is_open else Wrong(131047, "More than 24 hours have passed since the recipient last replied")


def _over_limit(world: World, entry: Entry, dials: Dials) -> Wrong | None:
    if world.is_over_rate("whatsapp", entry.account, dials):
        return Wrong(130429, "Cloud API message throughput has been reached")
    if dials.pair_interval_s is not None:
        pair = ("whatsapp", entry.account, entry.to)
        if world.limits.wait_s(pair, rate_per_s=1 / dials.pair_interval_s, burst=1.0):
            return Wrong(131056, "Too many messages sent to this recipient in a short time")
    return None


def _withheld_code(message: Message, known: Sender | None, to: str, dials: Dials) -> int | None:
    """Marketing templates to US numbers are taken, and then not delivered."""
    template = message.get("template")
    if known is None or not to.startswith("1") or not isinstance(template, dict) or dials.statuses is not None:
        return None
    registered = known.template(str(template.get("name")), _language(template))
    return 131049 if registered is not None and registered.category.upper() == "MARKETING" else None


def _accepted(
    world: World, entry: Entry, message: Message, dials: Dials, answer_in_s: float, failed_code: int | None
) -> Reply:
    entry.id = f"wamid.{world.new_id()}"
    if failed_code is not None and dials.failed_code is None:
        dials = dials.turned({"failed_code": failed_code})
    whatsapp_callbacks.schedule_receipts(world, entry, dials, answer_in_s)
    sent: dict[str, object] = {"id": entry.id}
    if entry.template is not None:
        sent["message_status"] = "accepted"
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": str(message.get("to")), "wa_id": entry.to}],
        "messages": [sent],
    }
    return Reply(200, orjson.dumps(answer), headers=(("x-fb-request-id", entry.id),))


def _look_up(world: World, exchange: Exchange, parts: list[str]) -> None:
    account = parts[0]
    senders = [sender for (provider, _), sender in world.senders.items() if provider == "whatsapp"]
    known = next((sender for sender in senders if account in (sender.account, sender.waba_id)), None)
    if account == "debug_token":
        exchange.answer(_token_facts(exchange, senders))
        return
    wrong = wrong_token(exchange, known)
    if wrong is not None:
        exchange.answer(error_reply(wrong.code, None, None, wrong.details))
    elif senders and known is None:
        exchange.answer(error_reply(100, None, None, f"Object with ID '{account}' does not exist"))
    elif parts[1:] == ["message_templates"]:
        exchange.answer(_templates(exchange, known))
    elif parts[1:] == ["subscribed_apps"]:
        exchange.answer(Reply(200, b'{"data":[{"whatsapp_business_api_data":{"name":"Swiftex","id":"1"}}]}'))
    else:
        exchange.answer(Reply(200, orjson.dumps(_number_facts(account, known))))


def _token_facts(exchange: Exchange, senders: list[Sender]) -> Reply:
    token = exchange.parameters().get("input_token", "")
    tokens = {sender.access_token for sender in senders if sender.access_token}
    scopes = ["whatsapp_business_management", "whatsapp_business_messaging"]
    is_valid = bool(token) and (not tokens or token in tokens)
    facts = {"app_id": "1", "type": "SYSTEM_USER", "application": "Swiftex", "expires_at": 0, "is_valid": is_valid,
             "scopes": scopes if is_valid else []}  # fmt: skip
    return Reply(200, orjson.dumps({"data": facts}))


def _templates(exchange: Exchange, known: Sender | None) -> Reply:
    asked = exchange.parameters()
    found = [
        template.as_graph()
        for template in (known.templates if known else [])
        if asked.get("name") in (None, template.name) and asked.get("language") in (None, template.language)
    ]
    return Reply(200, orjson.dumps({"data": found, "paging": {"cursors": {"before": "A", "after": "A"}}}))


def _number_facts(account: str, known: Sender | None) -> dict[str, object]:
    if known is not None and account == known.waba_id:
        return {"id": account, "name": "Sandbox", "timezone_id": "1", "message_template_namespace": "sandbox"}
    return {
        "id": account,
        "display_phone_number": known.display_phone_number if known else "15550001111",
        "verified_name": "Sandbox",
        "code_verification_status": "VERIFIED",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
    }
