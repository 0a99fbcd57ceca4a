"""The writers of accounts: keys and members. Each leaves its audit entry in the same transaction."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import Error, transaction
from django.db.models import Q

from accounts import keys
from accounts.audit import record_audit
from accounts.models import ApiKey, Membership, Role, Scope

logger = logging.getLogger(__name__)

_NOTED_EVERY = timedelta(minutes=1)


class KeyRefused(ValueError):
    """The key cannot be stored; the message says why and never contains it."""


@dataclass(frozen=True)
class IssuedKey:
    """A new key. text is shown to its owner now and never again."""

    id: UUID
    text: str


def issue_api_key(
    *, organization_id: UUID, name: str, scopes: Iterable[str], actor: str, expires_at: datetime | None = None
) -> IssuedKey:
    """A new key of the organization is valid from now on; only its hash is stored.

    Raises ValueError for an unknown scope and KeyRefused when a valid key has this name.
    """
    new = keys.generate_key()
    key_id = store_api_key(
        organization_id=organization_id, name=name, text=new.text, scopes=scopes, actor=actor, expires_at=expires_at
    )
    return IssuedKey(id=key_id, text=new.text)


@transaction.atomic
def store_api_key(
    *,
    organization_id: UUID,
    name: str,
    text: str,
    scopes: Iterable[str],
    actor: str,
    expires_at: datetime | None = None,
) -> UUID:
    """A key that its owner chose is valid from now on; returns its id. Raises as issue_api_key does.

    Raises KeyRefused as well when this very key was stored before, here or elsewhere, valid or revoked.
    """
    hashed = keys.hash_key(text)
    if ApiKey.objects.filter(hashed_key=hashed).exists():
        raise KeyRefused("this key was used before; choose another one")
    if ApiKey.objects.filter(organization_id=organization_id, name=name, revoked_at__isnull=True).exists():
        raise KeyRefused("a valid key of this name exists")
    row = ApiKey.objects.create(
        organization_id=organization_id,
        name=name,
        prefix=keys.prefix_of(text),
        hashed_key=hashed,
        scopes=checked_scopes(scopes),
        expires_at=expires_at,
    )
    _audit_key(row, "api_key.created", actor, {"scopes": row.scopes})
    return row.pk


@transaction.atomic
def revoke_api_key(*, organization_id: UUID, key_id: UUID, actor: str, now: datetime) -> bool:
    """The key is refused everywhere within 5 s; False when it does not exist or was revoked already."""
    revoked = ApiKey.objects.filter(organization_id=organization_id, pk=key_id, revoked_at__isnull=True)
    if not revoked.update(revoked_at=now):
        return False
    _audit_key(ApiKey.objects.get(pk=key_id), "api_key.revoked", actor, {})
    return True


@transaction.atomic
def replace_key_text(*, row: ApiKey, text: str, actor: str) -> None:
    """The key's row holds another key; the one it held is refused within 5 s. Raises KeyRefused for a used one."""
    hashed = keys.hash_key(text)
    if ApiKey.objects.filter(hashed_key=hashed).exists():
        raise KeyRefused("this key was used before; choose another one")
    row.hashed_key, row.prefix = hashed, keys.prefix_of(text)
    row.save(update_fields=["hashed_key", "prefix"])
    _audit_key(row, "api_key.replaced", actor, {})


def note_key_use(*, key_id: UUID, now: datetime) -> None:
    """last_used_at is at most a minute old; a database that cannot be written to is no reason to refuse the key."""
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - _NOTED_EVERY)
    try:
        ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=now)
    except Error:
        logger.warning("use of an API key was not noted", extra={"key_id": str(key_id)})


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes, sorted and each once; raises ValueError for an unknown one or none at all."""
    unique = sorted(set(scopes))
    unknown = [scope for scope in unique if scope not in Scope.values]
    if unknown or not unique:
        raise ValueError(f"scopes must be some of {', '.join(Scope.values)}")
    return unique


@transaction.atomic
def add_member(
    *, organization_id: UUID, username: str, role: Role, actor: str, password: str | None = None, email: str = ""
) -> Membership:
    """The user is a member with this role; made first if there is none of this name, and able to log in to the admin.

    password: for a new user, who cannot log in without; never changes an existing user's.
    Called again it changes the role alone.
    """
    users = get_user_model()._default_manager
    user, created = users.get_or_create(username=username, defaults={"email": email, "is_staff": True})
    if created:
        user.set_password(password)
        user.save(update_fields=["password"])
    elif not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    membership = Membership.objects.filter(organization_id=organization_id, user=user).first()
    if membership is None:
        membership = Membership.objects.create(organization_id=organization_id, user=user, role=role)
        _audit_role(membership, "member.added", actor)
    elif membership.role != role:
        change_role(membership=membership, role=role, actor=actor)
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: Role, actor: str) -> None:
    """The member has this role."""
    membership.role = role
    membership.save(update_fields=["role"])
    _audit_role(membership, "member.role_changed", actor)


@transaction.atomic
def remove_member(*, membership: Membership, actor: str) -> None:
    """The user is no member any more; the user stays, and so does what he or she did."""
    _audit_role(membership, "member.removed", actor)
    membership.delete()


def _audit_key(row: ApiKey, action: str, actor: str, details: dict[str, object]) -> None:
    record_audit(organization_id=row.organization_id, actor=actor, action=action, target=row.public_id, details=details)


def _audit_role(membership: Membership, action: str, actor: str) -> None:
    record_audit(
        organization_id=membership.organization_id,
        actor=actor,
        action=action,
        target=f"user:{membership.user_id}",
        details={"role": membership.role},
    )
