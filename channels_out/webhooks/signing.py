"""Signatures of outgoing webhooks: Standard Webhooks 1.0.0. Pure."""

import base64
import binascii
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"


class BadSecret(ValueError):
    """The secret is no `whsec_` and base64 of 24 to 64 bytes."""


def signed_headers(*, secrets: Sequence[str], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """webhook-id, webhook-timestamp and webhook-signature for one attempt; one signature per secret (rotation).

    webhook_id: the same for every retry of one fact, without a dot.  timestamp_s: unix seconds of this attempt.
    Raises ValueError for an id with a dot, BadSecret for a `whsec_` secret that is not base64.
    """
    if "." in webhook_id:
        raise ValueError("a webhook id holds no dot")
    signed = b".".join([webhook_id.encode(), str(timestamp_s).encode(), body])
    signatures = [
        "v1," + base64.b64encode(hmac.digest(signing_key(secret), signed, "sha256")).decode() for secret in secrets
    ]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }


def signing_key(secret: str) -> bytes:
    """The bytes behind `whsec_<base64>`; a secret of another form is its own UTF-8."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret[len(_PREFIX) :], validate=True)
    except binascii.Error:
        raise BadSecret("what follows whsec_ is not base64") from None
