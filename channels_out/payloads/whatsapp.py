"""What a WhatsApp callback says, in our words. Pure: unknown fields and shapes are passed over, nothing raises.

Sources: Meta OpenAPI v23.0; pywa 2026-08; MetaDocs BSUID 2026 (providers.md 1.4, 1.5).
"""

from collections.abc import Iterator
from typing import Any

from channels_out.delivery import Receipt
from channels_out.payloads.news import Heard, Preference, Reported, cleaned, parsed_time

_STATUSES = {
    "sent": Receipt.SENT,
    "delivered": Receipt.DELIVERED,
    "read": Receipt.READ,
    "played": Receipt.READ,
    "failed": Receipt.FAILED,
}
_CAPTIONED = ("image", "video", "document", "audio", "sticker")


def has_news_to_act_on(payload: dict[str, Any]) -> bool:
    """True when somebody wrote, or changed what they want to hear: handled before the callback is answered."""
    return any("messages" in value or "user_preferences" in value for _, value in _changes(payload))


def has_statuses(payload: dict[str, Any]) -> bool:
    """True when there are receipts to fold."""
    return any("statuses" in value for _, value in _changes(payload))


def numbers_in(payload: dict[str, Any]) -> set[str]:
    """Every phone_number_id that the body is about."""
    return {number for number, value in _changes(payload) if "messages" in value or "statuses" in value}


def reported_in(payload: dict[str, Any]) -> Iterator[Reported]:
    """Every receipt in the body, in its order."""
    for number, value in _changes(payload):
        for status in _dicts(value.get("statuses")):
            kind = _STATUSES.get(str(status.get("status")))
            provider_id = cleaned(status.get("id"), 200)
            if kind is not None and provider_id:
                yield Reported(
                    sender_id=number,
                    provider_id=provider_id,
                    status=kind,
                    code=_code(status) if kind is Receipt.FAILED else "",
                    reported_at=parsed_time(status.get("timestamp")),
                    attempt_ref=cleaned(status.get("biz_opaque_callback_data"), 64),
                )


def heard_in(payload: dict[str, Any]) -> Iterator[Heard]:
    """Every message that a person sent, in the body's order; `system` notes are not messages."""
    for number, value in _changes(payload):
        contacts = list(_dicts(value.get("contacts")))
        for message in _dicts(value.get("messages")):
            heard = _heard(number, message, contacts)
            if heard is not None:
                yield heard


def preferences_in(payload: dict[str, Any]) -> Iterator[Preference]:
    """Every change of what a person wants to hear."""
    for number, value in _changes(payload):
        for wish in _dicts(value.get("user_preferences")):
            digits = cleaned(wish.get("wa_id"), 30)
            if digits:
                yield Preference(sender_id=number, phone=_phone(digits), wants=cleaned(wish.get("value"), 20))


def _changes(payload: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in _dicts(payload.get("entry")):
        for change in _dicts(entry.get("changes")):
            value = change.get("value")
            if isinstance(value, dict):
                metadata = value.get("metadata")
                number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
                yield cleaned(number, 64), value


def _heard(number: str, message: dict[str, Any], contacts: list[dict[str, Any]]) -> Heard | None:
    provider_id, kind = cleaned(message.get("id"), 200), cleaned(message.get("type"), 30) or "unknown"
    digits, bsuid = cleaned(message.get("from"), 30), cleaned(message.get("from_user_id"), 140)
    person = _person(contacts, digits, bsuid)
    bsuid = bsuid or cleaned(person.get("user_id"), 140)
    if not provider_id or kind == "system" or not (digits or bsuid):
        return None
    text, payload = _words(kind, message)
    context = message.get("context")
    return Heard(
        sender_id=number,
        provider_id=provider_id,
        phone=_phone(digits) if digits else "",
        bsuid=bsuid,
        name=_profile_name(person),
        content_type=kind,
        text=text,
        button_payload=payload,
        at=parsed_time(message.get("timestamp")),
        reply_to=cleaned(context.get("id"), 200) if isinstance(context, dict) else "",
    )


def _words(kind: str, message: dict[str, Any]) -> tuple[str, str]:
    """The text of a message, and the payload of the button that was tapped."""
    content = message.get(kind)
    if not isinstance(content, dict):
        return "", ""
    if kind == "text":
        return cleaned(content.get("body"), 4096), ""
    if kind == "button":
        return cleaned(content.get("text"), 1024), cleaned(content.get("payload"), 256)
    if kind == "interactive":
        reply = content.get(str(content.get("type")))
        return cleaned(reply.get("title"), 1024) if isinstance(reply, dict) else "", ""
    if kind == "reaction":
        return cleaned(content.get("emoji"), 16), ""
    return (cleaned(content.get("caption"), 1024), "") if kind in _CAPTIONED else ("", "")


def _person(contacts: list[dict[str, Any]], digits: str, bsuid: str) -> dict[str, Any]:
    for contact in contacts:
        if (digits and contact.get("wa_id") == digits) or (bsuid and contact.get("user_id") == bsuid):
            return contact
    return contacts[0] if len(contacts) == 1 else {}


def _profile_name(person: dict[str, Any]) -> str:
    profile = person.get("profile")
    return cleaned(profile.get("name"), 200) if isinstance(profile, dict) else ""


def _code(status: dict[str, Any]) -> str:
    first = next(_dicts(status.get("errors")), {})
    code = first.get("code")
    return str(code)[:20] if isinstance(code, int | str) and not isinstance(code, bool) else ""


def _phone(digits: str) -> str:
    return "+" + "".join(char for char in digits if char in "0123456789")[:15]


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
