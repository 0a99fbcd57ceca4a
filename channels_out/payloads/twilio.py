"""What a Twilio callback says, in our words. Pure: unknown parameters are passed over, nothing raises."""

from collections.abc import Mapping

from channels_out.delivery import Receipt
from channels_out.payloads.news import Heard, Reported, cleaned

_STATUSES = {
    "sent": Receipt.SENT,
    "delivered": Receipt.DELIVERED,
    "read": Receipt.READ,
    "undelivered": Receipt.FAILED,
    "failed": Receipt.FAILED,
    "canceled": Receipt.FAILED,
}


def reported_in(form: Mapping[str, str], query: Mapping[str, str]) -> Reported | None:
    """The receipt in a status callback, or None for a status that tells nothing yet (queued, sending)."""
    kind = _STATUSES.get(form.get("MessageStatus", ""))
    provider_id = cleaned(form.get("MessageSid"), 200)
    if kind is None or not provider_id:
        return None
    return Reported(
        sender_id="",
        provider_id=provider_id,
        status=kind,
        code=cleaned(form.get("ErrorCode"), 20) if kind is Receipt.FAILED else "",
        reported_at=None,
        attempt_ref=cleaned(query.get("attempt"), 64),
    )


def heard_in(form: Mapping[str, str]) -> Heard | None:
    """The message in an inbound callback, or None when it has no id or no number."""
    provider_id = cleaned(form.get("MessageSid"), 200)
    phone = cleaned(form.get("From"), 40).removeprefix("whatsapp:")
    if not provider_id or not phone:
        return None
    has_media = cleaned(form.get("NumMedia"), 5) not in {"", "0"}
    opt_out = form.get("OptOutType", "")
    return Heard(
        sender_id="",
        provider_id=provider_id,
        phone=phone[:20],
        name=cleaned(form.get("ProfileName"), 200),
        content_type="media" if has_media else "text",
        text=cleaned(form.get("Body"), 4096),
        provider_says_stop=opt_out == "STOP",
        provider_says_start=opt_out == "START",
    )
