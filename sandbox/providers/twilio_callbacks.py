"""What Twilio posts to the product: status callbacks and inbound SMS, signed over URL and form."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urldefrag, urlencode

from sandbox.callbacks import TWILIO_RETRY_DELAYS_S, Post
from sandbox.dials import Dials, digits
from sandbox.ledger import Entry
from sandbox.receipts import receipt_plan
from sandbox.senders import Sender
from sandbox.signatures import twilio_signature
from sandbox.world import World

# The whole message, blanks and case aside, makes Twilio itself block or unblock the pair.
STOP_WORDS = {"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"}
START_WORDS = {"START", "YES", "UNSTOP"}


def schedule_receipts(
    world: World, entry: Entry, form: dict[str, str], token: str, dials: Dials, answer_in_s: float
) -> None:
    """The message's status callbacks will leave as dialled, and the person's own answer if one is dialled."""
    sender = world.sender("twilio", entry.account)
    url = form.get("StatusCallback") or (sender.status_callback_url if sender else "")
    plan = receipt_plan(
        dials, usual=("sent", "delivered"), failing=("undelivered",), answer_in_s=answer_in_s, source=world.random
    )
    for delay_s, status in plan:
        world.later(delay_s, entry, partial(_report, world, entry, form, token, url, status, dials))
    if dials.reply_text is not None and sender is not None:
        reply = partial(
            post_inbound, world, sender, form["To"], form.get("From", ""), dials.reply_text, None, "right", 1, None
        )
        world.later(answer_in_s + dials.reply_delay_ms / 1000, entry, reply)


def _report(world: World, entry: Entry, form: dict[str, str], token: str, url: str, status: str, dials: Dials) -> None:
    failed_code = dials.failed_code if status in ("failed", "undelivered") else None
    message = world.twilio_messages.get(entry.id or "")
    if message is not None:
        message.update(status=status, error_code=failed_code)
    if url:
        post_form(
            world, entry.account, token, url, status_form(entry, form, status, failed_code),
            signature=dials.status_signature, kind=status, message_id=entry.id or "",
        )  # fmt: skip


def status_form(entry: Entry, form: dict[str, str], status: str, code: int | None) -> list[tuple[str, str]]:
    """The form of a status callback."""
    sid = entry.id or ""
    values = [
        ("MessageSid", sid),
        ("MessageStatus", status),
        ("SmsSid", sid),
        ("SmsStatus", status),
        ("To", form.get("To", "")),
        ("From", form.get("From", "")),
        ("AccountSid", entry.account),
        ("ApiVersion", "2010-04-01"),
    ]
    if form.get("MessagingServiceSid"):
        values.append(("MessagingServiceSid", form["MessagingServiceSid"]))
    if code is not None:
        values.append(("ErrorCode", str(code)))
    return values


def post_inbound(
    world: World,
    sender: Sender,
    from_number: str,
    to_number: str,
    body: str,
    sid: str | None,
    signature: str,
    copies: int,
    on_done: Callable[[Post], None] | None,
) -> None:
    """The SMS is posted `copies` times; a STOP word blocks the pair as Twilio does, a START word frees it."""
    word = body.strip().upper()
    if word in STOP_WORDS:
        sender.blocked.add(digits(from_number))
    elif word in START_WORDS:
        sender.blocked.discard(digits(from_number))
    sid = sid or f"SM{world.new_id().lower()}0123456789"
    form = inbound_form(sender.account, sid, from_number, to_number or sender.from_number, body)
    for _ in range(copies):
        post_form(
            world, sender.account, sender.auth_token, sender.callback_url, form,
            signature=signature, kind="inbound", message_id=sid, on_done=on_done,
        )  # fmt: skip


def inbound_form(account: str, sid: str, from_number: str, to_number: str, body: str) -> list[tuple[str, str]]:
    """The form of an inbound SMS, with the places that Twilio often leaves empty."""
    places = [(f"{side}{place}", "") for side in ("From", "To") for place in ("City", "State", "Zip", "Country")]
    return [
        ("MessageSid", sid),
        ("SmsSid", sid),
        ("SmsMessageSid", sid),
        ("AccountSid", account),
        ("From", from_number),
        ("To", to_number),
        ("Body", body),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("ApiVersion", "2010-04-01"),
        *places,
    ]


def post_form(
    world: World,
    account: str,
    token: str,
    url: str,
    form: list[tuple[str, str]],
    *,
    signature: str,
    kind: str,
    message_id: str,
    on_done: Callable[[Post], None] | None = None,
) -> None:
    """The form is posted to the URL with the right, a wrong or no signature; a fragment is neither sent nor signed."""
    url = urldefrag(url).url
    headers: tuple[tuple[str, str], ...] = (
        ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"),
        ("User-Agent", "TwilioProxy/1.1"),
    )
    if signature != "missing":
        key = token if signature == "right" else token + "-wrong"
        headers += (("X-Twilio-Signature", twilio_signature(key, url, form)),)
    post = Post(
        account=account,
        kind=kind,
        url=url,
        body=urlencode(form).encode(),
        headers=headers,
        message_id=message_id,
        retry_delays_s=TWILIO_RETRY_DELAYS_S,
        on_done=on_done,
    )
    world.postman.post(post)
