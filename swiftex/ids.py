"""Ids of rows, and the prefixed form in which they leave the house."""

from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

Prefix = Literal["lead", "con", "cnv", "msg", "evt", "job", "key"]


def new_id() -> UUID:
    """A fresh UUIDv7: unique, and sorted by the time of its making, so that indexes grow at their end."""
    return uuid7()


def public_id(prefix: Prefix, value: UUID) -> str:
    """`lead_0193…`: the prefix, an underscore and the id's 32 hex digits."""
    return f"{prefix}_{value.hex}"


def parse_public_id(prefix: Prefix, text: str) -> UUID:
    """The id behind a public id; raises ValueError for another prefix or anything but 32 lower-case hex digits."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        raise ValueError(f"not an id of the form {prefix}_<32 hex digits>")
    return UUID(hex=digits)
