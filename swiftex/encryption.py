"""Encryption of credentials at rest: Fernet, with keys that can be rotated (docs/adr/0018-secrets-at-rest.md)."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    _Field = models.Field[Mapping[str, Any] | None, "Secrets | None"]
else:
    _Field = models.Field

_TOKEN_START = "gAAAA"  # noqa: S105 - how every Fernet token begins, not a secret


class WrongEncryptionKey(Exception):
    """A stored secret was encrypted with a key that isn't in SWIFTEX_ENCRYPTION_KEYS."""

    def __init__(self) -> None:
        super().__init__("no key in SWIFTEX_ENCRYPTION_KEYS opens this secret: add the key that wrote it")


class Secrets(dict[str, Any]):
    """Decrypted credentials: a dict that doesn't show its values when it is printed, logged or exported as text."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: '•••'" for name in sorted(self)) + "}"

    __str__ = __repr__


def encrypt(values: Mapping[str, Any]) -> str:
    """A token that holds the values, written with the first of SWIFTEX_ENCRYPTION_KEYS."""
    return _cipher().encrypt(json.dumps(values, separators=(",", ":")).encode()).decode()


def decrypt(token: str) -> Secrets:
    """The values in a token; raises WrongEncryptionKey when none of SWIFTEX_ENCRYPTION_KEYS opens it."""
    try:
        return Secrets(json.loads(_cipher().decrypt(token.encode())))
    except InvalidToken:
        raise WrongEncryptionKey from None


def rotate(token: str) -> str:
    """The same values under the first key, whichever key wrote the token; raises WrongEncryptionKey."""
    try:
        return _cipher().rotate(token.encode()).decode()
    except InvalidToken:
        raise WrongEncryptionKey from None


class EncryptedJSONField(_Field):
    """A dict of credentials that the database holds as one opaque token.

    Write-only for people: it has no form field, can't be searched, and its values print as dots.
    """

    description = "Encrypted JSON"

    def get_internal_type(self) -> str:
        return "TextField"

    def formfield(self, *args: Any, **kwargs: Any) -> None:
        """No form shows or takes the stored value; see the admin's write-only inputs."""
        return

    def get_lookup(self, lookup_name: str) -> Any:
        """Only `isnull` means anything: the same values make another token each time."""
        if lookup_name != "isnull":
            raise FieldError("an encrypted field can't be searched")
        return super().get_lookup(lookup_name)

    def from_db_value(
        self, value: str | None, _expression: object, _connection: "BaseDatabaseWrapper"
    ) -> Secrets | None:
        return None if value is None else decrypt(value)

    def to_python(self, value: Any) -> Secrets | None:
        if isinstance(value, str) and value.startswith(_TOKEN_START):
            return decrypt(value)
        return None if value is None else Secrets(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encrypt(value)

    def value_to_string(self, obj: models.Model) -> str:
        """What a fixture holds: the token, never the values."""
        return self.get_prep_value(self.value_from_object(obj)) or ""


def _cipher() -> MultiFernet:
    return _cipher_of(tuple(settings.SWIFTEX_ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _cipher_of(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ImproperlyConfigured(
            "SWIFTEX_ENCRYPTION_KEYS must be one or more Fernet keys (32 bytes, URL-safe base64), separated by commas"
        ) from None
