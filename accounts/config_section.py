"""The sections `organization` and `api_keys` of the configuration file."""

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import phonenumbers
from django.conf import settings
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from accounts import keys, selectors, services
from accounts.config_sections import (
    Change,
    ConfigModel,
    ConfigurationRefused,
    FieldChange,
    FunctionSection,
    Mistake,
    Name,
    Secret,
    kept,
    store,
)
from accounts.models import ApiKey, Organization, Scope

ACTOR = "command:apply_config"
_MAX_SLUG_LENGTH = 40
# A key that we make has 256 random bits. One from a file may be weaker, but not in production a word.
_MIN_KEY_LENGTH = {"development": 8, "production": 24}


def _slug(value: str) -> str:
    if len(value) > _MAX_SLUG_LENGTH or not all(part.isalnum() for part in value.split("-")):
        raise ValueError(f"must be at most {_MAX_SLUG_LENGTH} lower-case letters and digits, with single - between")
    if not value.isascii() or value != value.lower():
        raise ValueError("must be lower-case ASCII")
    return value


def _timezone(value: str) -> str:
    if value not in zoneinfo.available_timezones():
        raise ValueError("must be a time zone such as Asia/Kolkata or UTC")
    return value


def _region(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a country code of two capital letters, such as IN")
    return value


def _key_text(value: str) -> str:
    shortest = _MIN_KEY_LENGTH[settings.SWIFTEX_ENV]
    if len(value) < shortest:
        raise ValueError(f"must have at least {shortest} characters")
    if keys.bearer_token(f"Bearer {value}") != value:
        raise ValueError(f"must be at most {keys.MAX_KEY_LENGTH} printable ASCII characters without spaces")
    return value


class OrganizationConfig(ConfigModel):
    """The organization itself; its slug says which one the file is about."""

    slug: Annotated[str, AfterValidator(_slug)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    default_region: Annotated[str, AfterValidator(_region)] = "US"
    first_message_budget_ms: Annotated[int, Field(ge=200, le=60_000)] = 2_000
    duplicate_window_days: Annotated[int, Field(ge=0, le=3_650)] = 30
    on_ambiguous: Literal["at_most_once", "at_least_once"] = "at_most_once"


class ApiKeyConfig(ConfigModel):
    """A key that the organization chose; it is stored hashed."""

    name: Name
    key: Annotated[Secret, AfterValidator(_key_text)]
    scopes: Annotated[list[Scope], Field(min_length=1)]
    expires_at: AwareDatetime | None = None


def apply_organization(value: OrganizationConfig) -> tuple[UUID, Change]:
    """The organization with this slug is as the file says; returns its id."""
    fields = value.model_dump(exclude={"slug"})
    path = f"organization.{value.slug}"
    change = store(Organization, path=path, identity={"slug": value.slug}, values=fields)
    selectors.forget_cached_organizations()
    return Organization.objects.values_list("pk", flat=True).get(slug=value.slug), change


def check_api_keys(value: Sequence[ApiKeyConfig], document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Names and keys stand once each."""
    for attribute, reason in (("name", "is the name of an earlier key"), ("key", "is the same as an earlier key")):
        seen: set[str] = set()
        for index, item in enumerate(value):
            text = getattr(item, attribute)
            if text in seen:
                yield Mistake(f"api_keys[{index}].{attribute}", reason)
            seen.add(text)


def apply_api_keys(organization_id: UUID, value: Sequence[ApiKeyConfig]) -> Sequence[Change]:
    """Each named key is valid with its scopes; keys that the file does not name stay valid, and are reported."""
    changes = [_apply_key(organization_id, index, item) for index, item in enumerate(value)]
    valid = ApiKey.objects.filter(organization_id=organization_id, revoked_at__isnull=True)
    paths = [f"api_keys.{name}" for name in valid.values_list("name", flat=True)]
    return [*changes, *kept(paths, [change.path for change in changes])]


def _apply_key(organization_id: UUID, index: int, item: ApiKeyConfig) -> Change:
    path = f"api_keys.{item.name}"
    row = ApiKey.objects.filter(organization_id=organization_id, name=item.name, revoked_at__isnull=True).first()
    scopes = services.checked_scopes(item.scopes)
    try:
        if row is None:
            services.store_api_key(
                organization_id=organization_id,
                name=item.name,
                text=item.key,
                scopes=scopes,
                actor=ACTOR,
                expires_at=item.expires_at,
            )
            return Change(path, "created", (FieldChange("key", None, None), FieldChange("scopes", None, scopes)))
        replaced = _replace_text(row, item.key)
    except services.KeyRefused as refused:
        raise ConfigurationRefused(Mistake(f"api_keys[{index}].key", str(refused))) from None
    change = _store_rights(row, path, scopes, item.expires_at)
    if not replaced:
        return change
    return Change(path, "updated", (FieldChange("key", None, None), *change.fields))


def _replace_text(row: ApiKey, text: str) -> bool:
    if bytes(row.hashed_key) == keys.hash_key(text):
        return False
    services.replace_key_text(row=row, text=text, actor=ACTOR)
    return True


def _store_rights(row: ApiKey, path: str, scopes: list[str], expires_at: datetime | None) -> Change:
    values: dict[str, object] = {"scopes": scopes, "expires_at": expires_at}
    return store(ApiKey, path=path, identity={"pk": row.pk}, values=values)


SECTIONS = (FunctionSection(key="api_keys", shape=list[ApiKeyConfig], apply=apply_api_keys, check=check_api_keys),)
