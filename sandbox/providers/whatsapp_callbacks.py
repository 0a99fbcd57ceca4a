"""What WhatsApp posts to the product: receipts and inbound messages, signed over the exact bytes."""

import time
from collections.abc import Callable
from functools import partial

from sandbox.callbacks import WHATSAPP_RETRY_DELAYS_S, Post
from sandbox.dials import Dials
from sandbox.ledger import Entry
from sandbox.providers.whatsapp_errors import failure
from sandbox.receipts import receipt_plan
from sandbox.senders import Sender
from sandbox.signatures import meta_bytes, meta_signature
from sandbox.world import World


def schedule_receipts(world: World, entry: Entry, dials: Dials, answer_in_s: float) -> None:
    """The message's receipts will leave as dialled, and the person's own answer if one is dialled."""
    sender = world.sender("whatsapp", entry.account)
    if sender is None or not sender.callback_url:
        return
    plan = receipt_plan(
        dials, usual=("sent", "delivered"), failing=("failed",), answer_in_s=answer_in_s, source=world.random
    )
    for delay_s, status in plan:
        body = meta_bytes(envelope(sender, {"statuses": [receipt(entry, status, dials.failed_code, delay_s)]}))
        post_signed(
            world, sender, body, signature=dials.status_signature, kind=status, message_id=entry.id or "",
            delay_s=delay_s,
        )  # fmt: skip
    if dials.reply_text is not None:
        message = inbound_message(world, entry.to, {"text": dials.reply_text})
        reply = partial(post_inbound, world, sender, entry.to, message, "right", 1, None)
        world.later(answer_in_s + dials.reply_delay_ms / 1000, entry, reply)


def receipt(entry: Entry, status: str, code: int | None, delay_s: float = 0.0) -> dict[str, object]:
    """One element of `statuses`."""
    facts: dict[str, object] = {
        "id": entry.id,
        "status": status,
        "timestamp": str(int(time.time() + delay_s)),
        "recipient_id": entry.to,
    }
    if entry.opaque is not None:
        facts["biz_opaque_callback_data"] = entry.opaque
    if status == "failed":
        facts["errors"] = [failure(code or 131026)]
    elif status == "sent":
        facts["conversation"] = {"id": f"c-{entry.number}", "origin": {"type": "utility"}}
        facts["pricing"] = {"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"}
    return facts


def envelope(sender: Sender, value: dict[str, object]) -> dict[str, object]:
    """The body of a callback around one change."""
    metadata = {"display_phone_number": sender.display_phone_number, "phone_number_id": sender.account}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {"object": "whatsapp_business_account", "entry": [{"id": sender.waba_id or "1", "changes": [change]}]}


def inbound_message(world: World, sender_number: str, content: dict[str, object]) -> dict[str, object]:
    """One element of `messages`. content: `text`, or `button` {text, payload}, or any message fields as they are.

    `id` and `timestamp` may be given; `reply_to` is the wamid it quotes.
    """
    given = dict(content)
    quoted = given.pop("reply_to", None)
    message: dict[str, object] = {
        "from": sender_number,
        "id": given.pop("id", None) or f"wamid.IN{world.new_id()}",
        "timestamp": str(given.pop("timestamp", None) or int(time.time())),
    }
    if quoted is not None:
        message["context"] = {"from": sender_number, "id": quoted}
    if isinstance(given.get("text"), str):
        return {**message, "type": "text", "text": {"body": given["text"]}}
    if "button" in given:
        return {**message, "type": "button", "button": given["button"]}
    return {**message, **given}


def post_inbound(
    world: World,
    sender: Sender,
    number: str,
    message: dict[str, object],
    signature: str,
    copies: int,
    on_done: Callable[[Post], None] | None,
) -> None:
    """The message is posted `copies` times, and the 24 h window of that person is open."""
    sender.last_inbound_at[number] = time.time()
    contacts = [{"profile": {"name": "Sandbox Person"}, "wa_id": number}]
    body = meta_bytes(envelope(sender, {"contacts": contacts, "messages": [message]}))
    for _ in range(copies):
        post_signed(
            world, sender, body, signature=signature, kind="inbound", message_id=str(message["id"]), on_done=on_done
        )


def post_signed(
    world: World,
    sender: Sender,
    body: bytes,
    *,
    signature: str,
    kind: str,
    message_id: str,
    delay_s: float = 0.0,
    on_done: Callable[[Post], None] | None = None,
) -> None:
    """The bytes are posted to the sender's callback URL with the right, a wrong or no signature."""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"), ("User-Agent", "facebookexternalua"))
    if signature != "missing":
        secret = sender.app_secret if signature == "right" else sender.app_secret + "-wrong"
        headers += (("X-Hub-Signature-256", meta_signature(secret, body)),)
    post = Post(
        account=sender.account,
        kind=kind,
        url=sender.callback_url,
        body=body,
        headers=headers,
        message_id=message_id,
        # A wrong signature is refused on purpose: no point in trying it again for a minute.
        retry_delays_s=WHATSAPP_RETRY_DELAYS_S if signature == "right" else (),
        retries_answers=True,
        on_done=on_done,
    )
    world.postman.post(post, delay_s=delay_s)
