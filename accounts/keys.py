"""API keys as text: how one is made, recognized and hashed. Pure, apart from the system's random numbers."""

import hashlib
import re
import secrets
from dataclasses import dataclass

_SHAPE = re.compile(r"swx_([0-9a-f]{8})_([A-Za-z0-9_-]{43})\Z", re.ASCII)
_SECRET_BYTES = 32
MAX_KEY_LENGTH = 256


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: text is shown once and never stored."""

    text: str
    prefix: str
    hashed: bytes


def generate_key() -> NewKey:
    """A key `swx_<prefix>_<secret>`; the secret has 256 bits from the system's generator."""
    text = f"swx_{secrets.token_hex(4)}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return NewKey(text=text, prefix=prefix_of(text), hashed=hash_key(text))


def hash_key(text: str) -> bytes:
    """The 32 bytes that are stored and looked up.

    A plain SHA-256 is enough, since what it hides has 256 random bits: a slow hash protects guessable passwords, and
    would cost every request.
    """
    return hashlib.sha256(text.encode()).digest()


def prefix_of(text: str) -> str:
    """What may be shown of a key: `swx_` and 8 digits of one of ours; of any other key the first two characters."""
    match = _SHAPE.match(text)
    return f"swx_{match[1]}" if match else f"{text[:2]}…"


def bearer_token(header: str) -> str | None:
    """The token of an Authorization header, or None when it is not `Bearer` and one plausible token."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_KEY_LENGTH or not token.isascii():
        return None
    return token if token.isprintable() and " " not in token else None
