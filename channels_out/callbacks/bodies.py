"""Reading a callback's body: all of it, as bytes, and not more than the limit."""

from django.conf import settings
from django.http import HttpRequest


class TooLarge(Exception):
    """The body has more bytes than SWIFTEX_CALLBACK_MAX_BODY_BYTES."""


def read_body(request: HttpRequest) -> bytes:
    """The raw bytes, which a signature is over.

    Raises TooLarge without reading more than the limit; Django's own, lower limit does not apply here.
    """
    limit = settings.SWIFTEX_CALLBACK_MAX_BODY_BYTES
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge
    body: bytes = request.read(limit + 1)
    if len(body) > limit:
        raise TooLarge
    return body
