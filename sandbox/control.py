"""The control API under /_control: turn dials, register senders, have people write, read the ledger.

docs/reference/sandbox.md lists every path; sandbox/client.py is its Python face.
"""

import os
import re
import resource
import time
from collections.abc import Callable
from dataclasses import asdict

import orjson

from sandbox.callbacks import Post
from sandbox.dials import digits
from sandbox.ledger import Entry
from sandbox.providers import twilio_callbacks, whatsapp_callbacks
from sandbox.senders import Sender, sender_from
from sandbox.signatures import meta_bytes
from sandbox.wire import Exchange, Reply
from sandbox.world import World

Body = dict[str, object]


class Refused(Exception):
    """The control request is wrong; the text says what."""


def serve(world: World, exchange: Exchange) -> None:
    """Answer a control request; 400 with the reason when it is wrong, 404 when there is no such path."""
    parts = exchange.path.strip("/").split("/")[1:]
    handler = _HANDLERS.get((exchange.method, parts[0] if parts else ""))
    if handler is None:
        _respond(exchange, {"error": "no such control path"}, status=404)
        return
    try:
        handler(world, exchange, parts[1:])
    except (Refused, ValueError, TypeError, KeyError) as error:
        _respond(exchange, {"error": f"{type(error).__name__}: {error}"}, status=400)


def _respond(exchange: Exchange, content: object, *, status: int = 200) -> None:
    exchange.answer(Reply(status, orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)))


def _body(exchange: Exchange) -> Body:
    content = orjson.loads(exchange.body) if exchange.body else {}
    if not isinstance(content, dict):
        raise Refused("the body must be a JSON object")
    return content


def _health(world: World, exchange: Exchange, parts: list[str]) -> None:
    _respond(exchange, {"status": "ok", "started_at": world.started_at})


def _stats(world: World, exchange: Exchange, parts: list[str]) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "pid": os.getpid(),
        "now": time.time(),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "max_rss_bytes": usage.ru_maxrss * 1024,
        "request_count": world.ledger.total,
        "callback_count": len(world.postman.posts),
    }
    _respond(exchange, facts)


def _reset(world: World, exchange: Exchange, parts: list[str]) -> None:
    account = _body(exchange).get("account")
    world.reset(account=None if account is None else str(account))
    _respond(exchange, {"reset": account or "everything"})


def _put_sender(world: World, exchange: Exchange, parts: list[str]) -> None:
    provider, account = parts
    sender = sender_from(account, _body(exchange))
    former = world.sender(provider, account)
    if former is not None:
        sender.blocked, sender.last_inbound_at = former.blocked, former.last_inbound_at
    world.senders[(provider, account)] = sender
    _respond(exchange, {"account": account})


def _get_senders(world: World, exchange: Exchange, parts: list[str]) -> None:
    listed = [
        {"provider": provider, "account": account, "callback_url": sender.callback_url,
         "templates": [asdict(template) for template in sender.templates]}
        for (provider, account), sender in world.senders.items()
    ]  # fmt: skip
    _respond(exchange, {"senders": listed})


def _put_dials(world: World, exchange: Exchange, parts: list[str]) -> None:
    if not parts:
        raise Refused("PUT /_control/dials/{provider}[/{account}]")
    world.rulebook.set_defaults(parts[0], "/".join(parts[1:]), _body(exchange))
    _respond(exchange, world.rulebook.defaults())


def _get_dials(world: World, exchange: Exchange, parts: list[str]) -> None:
    _respond(exchange, world.rulebook.defaults())


def _post_rule(world: World, exchange: Exchange, parts: list[str]) -> None:
    _respond(exchange, {"id": world.rulebook.add(_body(exchange)).id}, status=201)


def _get_rules(world: World, exchange: Exchange, parts: list[str]) -> None:
    _respond(exchange, {"rules": [asdict(rule) for rule in world.rulebook.rules()]})


def _delete_rule(world: World, exchange: Exchange, parts: list[str]) -> None:
    found = world.rulebook.remove(parts[0]) if parts else False
    _respond(exchange, {"removed": found}, status=200 if found else 404)


def _get_ledger(world: World, exchange: Exchange, parts: list[str]) -> None:
    asked = exchange.parameters()
    entries = world.ledger.find(
        provider=asked.get("provider"),
        kind=asked.get("kind"),
        account=asked.get("account") or asked.get("phone_number_id") or asked.get("account_sid"),
        to=_recipient(asked.get("to")),
        since=float(asked.get("since", 0)),
        after=int(asked.get("after", 0)),
    )
    limit = int(asked.get("limit", 10_000))
    found: list[Entry] = []
    for entry in entries:
        if len(found) == limit:
            break
        if asked.get("processed") in (None, str(entry.processed_at is not None).lower()):
            found.append(entry)
    _respond(exchange, {"entries": [entry.as_json() for entry in found]})


def _recipient(text: str | None) -> str | None:
    """As the ledger has it: a number in digits, anything else as it is."""
    is_number = text is not None and re.fullmatch(r"[+\d][\d\s().-]*", text.strip()) is not None
    return digits(text) if text is not None and is_number else text


def _get_accepted(world: World, exchange: Exchange, parts: list[str]) -> None:
    asked = exchange.parameters()
    recipients = world.ledger.accepted(account=asked.get("account"), since=float(asked.get("since", 0)))
    _respond(exchange, {"recipients": recipients})


def _get_callbacks(world: World, exchange: Exchange, parts: list[str]) -> None:
    asked = exchange.parameters()
    since = float(asked.get("since", 0))
    posts = [
        post.as_json()
        for post in world.postman.posts
        if (post.sent_at or 0.0) >= since
        and asked.get("account") in (None, post.account)
        and asked.get("kind") in (None, post.kind)
        and asked.get("message_id") in (None, post.message_id)
    ]
    _respond(exchange, {"callbacks": posts})


def _post_inbound(world: World, exchange: Exchange, parts: list[str]) -> None:
    """A person writes. Answered when the product has answered every copy."""
    sender = _registered(world, parts)
    wanted = _body(exchange)
    copies = int(str(wanted.pop("copies", 1)))
    signature = str(wanted.pop("signature", "right"))
    number = str(wanted.pop("from"))
    collect = _collector(exchange, copies)
    if parts[0] == "whatsapp":
        message = whatsapp_callbacks.inbound_message(world, digits(number), wanted)
        whatsapp_callbacks.post_inbound(world, sender, digits(number), message, signature, copies, collect)
        return
    sid = wanted.get("id")
    twilio_callbacks.post_inbound(
        world, sender, number, str(wanted.get("to", "")), str(wanted.get("body", wanted.get("text", ""))),
        None if sid is None else str(sid), signature, copies, collect,
    )  # fmt: skip


def _post_callback(world: World, exchange: Exchange, parts: list[str]) -> None:
    """Any body at all is signed and posted: `payload` (escaped as Meta does) or `raw` text; Twilio: `form`, `url`."""
    sender = _registered(world, parts)
    wanted = _body(exchange)
    copies = int(str(wanted.get("copies", 1)))
    signature = str(wanted.get("signature", "right"))
    collect = _collector(exchange, copies)
    for _ in range(copies):
        if parts[0] == "whatsapp":
            body = str(wanted["raw"]).encode() if "raw" in wanted else meta_bytes(wanted["payload"])
            whatsapp_callbacks.post_signed(
                world, sender, body, signature=signature, kind="callback", message_id="", on_done=collect
            )
        else:
            form = wanted["form"]
            if not isinstance(form, dict):
                raise Refused("form: an object")
            url = str(wanted.get("url") or sender.status_callback_url or sender.callback_url)
            pairs = [(str(name), str(value)) for name, value in form.items()]
            twilio_callbacks.post_form(
                world, sender.account, sender.auth_token, url, pairs,
                signature=signature, kind="callback", message_id="", on_done=collect,
            )  # fmt: skip


def _post_receipt(world: World, exchange: Exchange, parts: list[str]) -> None:
    """One receipt on command, for a message in the ledger: `message_id`, `status`, `code`, `copies`, `signature`."""
    sender = _registered(world, parts)
    wanted = _body(exchange)
    status, copies = str(wanted["status"]), int(str(wanted.get("copies", 1)))
    code = None if wanted.get("code") is None else int(str(wanted["code"]))
    signature = str(wanted.get("signature", "right"))
    entries = world.ledger.find(provider=parts[0], account=sender.account)
    entry = next((entry for entry in entries if entry.id == wanted["message_id"]), None)
    if entry is None:
        raise Refused("no message with this id in the ledger")
    collect = _collector(exchange, copies)
    for _ in range(copies):
        if parts[0] == "whatsapp":
            value: Body = {"statuses": [whatsapp_callbacks.receipt(entry, status, code)]}
            whatsapp_callbacks.post_signed(
                world, sender, meta_bytes(whatsapp_callbacks.envelope(sender, value)),
                signature=signature, kind=status, message_id=entry.id or "", on_done=collect,
            )  # fmt: skip
        else:
            form = {"To": f"+{entry.to}", "From": sender.from_number}
            twilio_callbacks.post_form(
                world, sender.account, sender.auth_token, entry.opaque or sender.status_callback_url,
                twilio_callbacks.status_form(entry, form, status, code),
                signature=signature, kind=status, message_id=entry.id or "", on_done=collect,
            )  # fmt: skip


def _registered(world: World, parts: list[str]) -> Sender:
    sender = world.sender(parts[0], parts[1]) if len(parts) == 2 else None
    if sender is None or not sender.callback_url:
        raise Refused("no sender with a callback_url is registered under this provider and account")
    return sender


def _collector(exchange: Exchange, copies: int) -> Callable[[Post], None]:
    """Answers the control request once all copies are settled."""
    done: list[Post] = []

    def collect(post: Post) -> None:
        done.append(post)
        if len(done) == copies:
            answers = [
                {"status": post.status, "answer": post.answer.decode("utf-8", "replace"), "message_id": post.message_id,
                 "ms": ((post.answered_at or time.time()) - (post.sent_at or time.time())) * 1000}
                for post in done
            ]  # fmt: skip
            _respond(exchange, {"callbacks": answers})

    return collect


_HANDLERS: dict[tuple[str, str], Callable[[World, Exchange, list[str]], None]] = {
    ("GET", "health"): _health,
    ("GET", "stats"): _stats,
    ("POST", "reset"): _reset,
    ("PUT", "senders"): _put_sender,
    ("GET", "senders"): _get_senders,
    ("PUT", "dials"): _put_dials,
    ("GET", "dials"): _get_dials,
    ("POST", "rules"): _post_rule,
    ("GET", "rules"): _get_rules,
    ("DELETE", "rules"): _delete_rule,
    ("GET", "ledger"): _get_ledger,
    ("GET", "accepted"): _get_accepted,
    ("GET", "callbacks"): _get_callbacks,
    ("POST", "inbound"): _post_inbound,
    ("POST", "callback"): _post_callback,
    ("POST", "receipt"): _post_receipt,
}
