"""The accounts that the stand-ins know: numbers, tokens, secrets, templates, and who may be written to."""

import time
import zlib
from dataclasses import dataclass, field, fields

WINDOW_S = 24 * 3600


@dataclass(slots=True)
class Template:
    """A message template as WhatsApp approved it. `parameters` are names, or None when not known."""

    name: str
    language: str
    status: str = "APPROVED"
    category: str = "UTILITY"
    parameter_format: str = "NAMED"
    parameters: list[str] | None = None
    body: str = ""

    def as_graph(self) -> dict[str, object]:
        """As an element of /{waba}/message_templates."""
        return {
            "name": self.name,
            "language": self.language,
            "status": self.status,
            "category": self.category.upper(),
            "parameter_format": self.parameter_format.upper(),
            "components": [{"type": "BODY", "text": self.body}],
            "id": str(zlib.crc32(f"{self.name}:{self.language}".encode())),
        }


@dataclass(slots=True)
class Sender:
    """One account: a WhatsApp phone_number_id or a Twilio account sid. What is empty is not checked.

    callback_url: where receipts and inbound messages are posted (Twilio: inbound; receipts go to StatusCallback).
    status_callback_url: Twilio only, for messages that name no StatusCallback.
    """

    account: str
    callback_url: str = ""
    status_callback_url: str = ""
    app_secret: str = ""
    access_token: str = ""
    auth_token: str = ""
    verify_token: str = ""
    waba_id: str = ""
    display_phone_number: str = "15550001111"
    from_number: str = ""
    templates: list[Template] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    last_inbound_at: dict[str, float] = field(default_factory=dict)

    def template(self, name: str, language: str) -> Template | None:
        """The template in that language, if it is registered."""
        return next((known for known in self.templates if (known.name, known.language) == (name, language)), None)

    def window_is_open(self, to: str) -> bool:
        """Whether this recipient wrote within the last 24 hours."""
        return time.time() - self.last_inbound_at.get(to, 0.0) < WINDOW_S


_SETTABLE = {item.name for item in fields(Sender)} - {"account", "blocked", "last_inbound_at"}


def sender_from(account: str, values: dict[str, object]) -> Sender:
    """A sender with these values. Raises ValueError naming an unknown key or a template that lacks something."""
    unknown = set(values) - _SETTABLE
    if unknown:
        raise ValueError(f"unknown key of a sender: {sorted(unknown)[0]}")
    changed = dict(values)
    templates = changed.pop("templates", [])
    if not isinstance(templates, list):
        raise ValueError("templates: a list")
    try:
        made = [Template(**template) for template in templates]
    except TypeError as error:
        raise ValueError(f"templates: {error}") from error
    return Sender(account=account, templates=made, **changed)  # type: ignore[arg-type]
