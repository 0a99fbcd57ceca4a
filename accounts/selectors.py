"""Every read of accounts that other packages and the API need."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import TTLCache, cached
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from accounts.models import ApiKey, Membership, Organization, Role

# Below the promised 5 s with room for the answer on its way.
KEY_CACHE_S = 4.0
ORGANIZATION_CACHE_S = 2.0
_organizations: TTLCache[Hashable, Organization] = TTLCache(maxsize=2_000, ttl=ORGANIZATION_CACHE_S)


@dataclass(frozen=True)
class StoredKey:
    """What a request needs to know of a valid key."""

    id: UUID
    organization_id: UUID
    name: str
    scopes: frozenset[str]
    expires_at: datetime | None
    last_used_at: datetime | None


@cached(_organizations, lock=threading.Lock())
def organization_by_id(organization_id: UUID) -> Organization:
    """The organization, at most 2 s old; raises Organization.DoesNotExist. Shared by threads: do not change it."""
    return Organization.objects.get(pk=organization_id)


def organization_id_by_slug(slug: str) -> UUID | None:
    """The organization's id, or None; reads the database."""
    return Organization.objects.filter(slug=slug).values_list("pk", flat=True).first()


def forget_cached_organizations() -> None:
    """The next read of an organization in this process asks the database."""
    _organizations.clear()


def key_by_hash(hashed_key: bytes) -> StoredKey | None:
    """The key with this hash if it is not revoked and its organization is active; expiry is left to the caller."""
    row = (
        ApiKey.objects.filter(hashed_key=hashed_key, revoked_at__isnull=True, organization__is_active=True)
        .values_list("id", "organization_id", "name", "scopes", "expires_at", "last_used_at")
        .first()
    )
    if row is None:
        return None
    return StoredKey(row[0], row[1], row[2], frozenset(row[3]), row[4], row[5])


def roles_of(user_id: Any) -> dict[UUID, Role]:
    """The user's role in each active organization he or she belongs to."""
    rows = Membership.objects.filter(user_id=user_id, organization__is_active=True)
    return {organization_id: Role(role) for organization_id, role in rows.values_list("organization_id", "role")}


def organizations_of_user(user: AbstractBaseUser) -> QuerySet[Organization]:
    """The organizations a user may choose from, by name: all of them for a superuser."""
    organizations = Organization.objects.order_by("name", "pk")
    if getattr(user, "is_superuser", False):
        return organizations
    return organizations.filter(is_active=True, memberships__user_id=user.pk)


def member_ids_of(organization_id: UUID) -> QuerySet[Membership, Any]:
    """Ids of the organization's users, as a subquery."""
    return Membership.objects.filter(organization_id=organization_id).values_list("user_id", flat=True)
