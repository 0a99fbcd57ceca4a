"""POST /crm/{account}/...: a CRM that takes signed JSON once per id; /hooks/{account}/...: a sink for webhooks."""

import orjson

from sandbox.conduct import Act, conduct, refuse_after_latency
from sandbox.ledger import Entry
from sandbox.signatures import json_post_is_signed
from sandbox.wire import Exchange, Reply
from sandbox.world import World


def receive(world: World, exchange: Exchange, provider: str) -> None:
    """The post is in the ledger, with its id and whether its signature fits the secret registered for the account."""
    account = exchange.path.split("/")[2] if exchange.path.count("/") >= 2 else ""
    entry = world.ledger.open(
        provider=provider, kind="post", account=account, arrived_at=exchange.arrived_at, body=exchange.body
    )
    entry.opaque = exchange.headers.get("webhook-id") or exchange.headers.get("idempotency-key")
    entry.to = _subject_of(exchange.body)
    _check_signature(world, exchange, entry)
    dials = world.rulebook.dials_for(provider, account, entry.to, "")
    if world.is_over_rate(provider, account, dials):
        refuse_after_latency(world, exchange, entry, dials, error_reply(None, 429, dials.retry_after_s))
        return
    conduct(world, exchange, entry, dials, Act(lambda _: _created(world, entry), error_reply))


def _subject_of(body: bytes) -> str:
    """The lead that the post is about, wherever its id stands: at the top or in `data`."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    for holder in (content, content.get("data") if isinstance(content, dict) else None):
        if isinstance(holder, dict):
            found = holder.get("lead_id") or holder.get("id")
            if isinstance(found, str):
                return found
    return ""


def _check_signature(world: World, exchange: Exchange, entry: Entry) -> None:
    known = world.sender(entry.provider, entry.account)
    if known is not None and known.app_secret:
        entry.signature_ok = json_post_is_signed(known.app_secret, exchange.headers, exchange.body)


def _created(world: World, entry: Entry) -> Reply:
    entry.id = f"crm_{world.new_id()}"
    return Reply(201, orjson.dumps({"id": entry.id}))


def error_reply(code: int | None, status: int | None, retry_after_s: float | None) -> Reply:
    """A plain JSON error with this HTTP status (default 500)."""
    headers = () if retry_after_s is None else (("Retry-After", f"{retry_after_s:g}"),)
    return Reply(status or 500, orjson.dumps({"error": {"code": code, "message": "refused"}}), headers=headers)
