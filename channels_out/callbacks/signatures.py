"""Whether a callback is from whom it says: over raw bytes, in constant time, and no without a secret."""

import hmac
from collections.abc import Iterable

from django.http import QueryDict
from twilio.request_validator import RequestValidator

_META_PREFIX = "sha256="


def is_metas(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """True if one of the app secrets made the `X-Hub-Signature-256` of exactly these bytes."""
    return any(
        _equal(_META_PREFIX + hmac.digest(secret.encode(), body, "sha256").hex(), signature) for secret in secrets
    )


def is_twilios(url: str, form: QueryDict, signature: str, tokens: Iterable[str]) -> bool:
    """True if one of the auth tokens made the `X-Twilio-Signature` of this public URL and form."""
    return any(_validates(token, url, form, signature) for token in tokens)


def is_token(given: str, expected: str) -> bool:
    """True if the verify token is the configured one; never without one."""
    return bool(expected) and _equal(expected, given)


def _validates(token: str, url: str, form: QueryDict, signature: str) -> bool:
    # The SDK knows the rules (sorting, repeated names, ports); it compares in constant time.
    return bool(signature) and bool(RequestValidator(token).validate(url, form, signature))


def _equal(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
