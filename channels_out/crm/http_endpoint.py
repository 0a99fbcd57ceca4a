"""A CRM behind one HTTP endpoint: signed JSON out, its id for the lead back. No I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from channels_out.providers.base import retry_after
from channels_out.webhooks.signing import signed_headers
from leads.selectors import LeadForGreeting
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.http import HttpRequest
from swiftex.ids import public_id

_MAX_REMOTE_ID_CHARS = 200
_TRY_LATER = frozenset({408, 409, 423, 425, 429})


def build_sync(*, url: str, secrets: Sequence[str], lead: LeadForGreeting, sync_id: str, at: datetime) -> HttpRequest:
    """POST of `lead.created` as a Standard Webhook; sync_id stays the same for every try of this lead."""
    body = orjson.dumps(
        {
            "type": "lead.created",
            "timestamp": lead.received_at.isoformat(),
            "data": {
                "id": public_id("lead", lead.lead_id),
                "contact_id": public_id("con", lead.contact_id),
                "name": lead.name,
                "first_name": lead.first_name,
                "last_name": lead.last_name,
                "phone": lead.phone or None,
                "email": lead.email or None,
                "message": lead.message or None,
                "attributes": lead.attributes,
                "campaign": lead.campaign or None,
                "source": lead.source_key,
                "status": lead.status,
                "received_at": lead.received_at.isoformat(),
            },
        }
    )
    headers = {"Content-Type": "application/json"}
    if secrets:
        headers |= signed_headers(secrets=secrets, webhook_id=sync_id, timestamp_s=int(at.timestamp()), body=body)
    return HttpRequest(method="POST", url=url, headers=headers, body=body)


def read_sync(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The remote id (empty when the answer names none).

    Raises TemporaryFailure for what may pass, with the endpoint's Retry-After, and PermanentFailure for what will not.
    """
    if 200 <= status < 300:
        return _remote_id(body)
    if status in _TRY_LATER or status >= 500:
        raise TemporaryFailure(f"http_{status}", retry_after(headers))
    raise PermanentFailure(f"http_{status}")


def _remote_id(body: bytes) -> str:
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    value = answer.get("id") if isinstance(answer, dict) else None
    is_id = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).replace("\x00", "")[:_MAX_REMOTE_ID_CHARS] if is_id else ""
