"""Pure: how each provider signs what it posts, and the exact bytes it signs."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping


def meta_bytes(payload: object) -> bytes:
    r"""The JSON as Meta puts it on the wire: non-ASCII as \uXXXX, every slash as \/."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def meta_signature(app_secret: str, body: bytes) -> str:
    """The value of X-Hub-Signature-256 over exactly these bytes. Source: Meta's webhook reference, 2026-05."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def twilio_signature(auth_token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """The value of X-Twilio-Signature for a form post to this full URL (query included).

    Names are sorted case-sensitively; a repeated name contributes its sorted unique values; an empty value
    contributes its name alone.  Source: twilio-python 9.11.0.
    """
    values: dict[str, set[str]] = {}
    for name, value in form:
        values.setdefault(name, set()).add(value)
    signed = url + "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def standard_webhook_signature(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """One `v1,...` signature of Standard Webhooks. The secret is base64 after `whsec_`.

    A secret without the prefix, or one that is no base64, is used as its UTF-8 bytes.  Source: Standard Webhooks 1.0.0.
    """
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_webhook_key(secret), signed, hashlib.sha256).digest()).decode()


def _webhook_key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return secret.encode()


def json_post_is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """True if any of the Standard Webhooks signatures in the headers (lower-case names) fits the body."""
    expected = standard_webhook_signature(
        secret, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), body
    )
    return any(hmac.compare_digest(expected, given) for given in headers.get("webhook-signature", "").split())
