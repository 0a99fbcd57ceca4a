"""What the person in the admin may see and do: the current organization, and the role in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts import selectors
from accounts.models import Role as Role  # pages of other apps name the role they ask for by it

SESSION_KEY = "organization_id"
_ATTRIBUTE = "_swiftex_access"
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Access:
    """A person's reach in one request.

    current_id: the organization that is looked at.  None: all of them for a superuser, nothing for anyone else.
    """

    is_superuser: bool
    roles: Mapping[UUID, Role]
    current_id: UUID | None

    def allows(self, role: Role, organization_id: UUID | None = None) -> bool:
        """Whether the person has at least this role in that organization, or in the current one."""
        if self.is_superuser:
            return True
        asked = organization_id or self.current_id
        held = self.roles.get(asked) if asked is not None else None
        return held is not None and held.rank >= role.rank

    def scope(self, queryset: QuerySet[M], path: str = "organization_id") -> QuerySet[M]:
        """The queryset's rows of the current organization, which `path` names from its model."""
        if self.current_id is not None:
            return queryset.filter(**{path: self.current_id})
        return queryset if self.is_superuser else queryset.none()


def access_of(request: HttpRequest) -> Access:
    """The reach of the request's user, read once per request."""
    known = getattr(request, _ATTRIBUTE, None)
    if isinstance(known, Access):
        return known
    access = _read_access(request)
    setattr(request, _ATTRIBUTE, access)
    return access


def choose_organization(request: HttpRequest, organization_id: UUID | None) -> bool:
    """The session looks at this organization from now on; False, and nothing changes, if the user may not."""
    access = access_of(request)
    if organization_id is None:
        if not access.is_superuser:
            return False
        request.session.pop(SESSION_KEY, None)
    else:
        if not selectors.organizations_of_user(_user(request)).filter(pk=organization_id).exists():
            return False
        request.session[SESSION_KEY] = str(organization_id)
    delattr(request, _ATTRIBUTE)
    return True


def _read_access(request: HttpRequest) -> Access:
    user = _user(request)
    if not user.is_authenticated or not user.is_active:
        return Access(is_superuser=False, roles={}, current_id=None)
    is_superuser = bool(user.is_superuser)
    roles = {} if is_superuser else selectors.roles_of(user.pk)
    return Access(is_superuser, roles, _current(request, is_superuser, roles))


def _current(request: HttpRequest, is_superuser: bool, roles: Mapping[UUID, Role]) -> UUID | None:
    chosen = _as_uuid(request.session.get(SESSION_KEY))
    if chosen is not None and (is_superuser or chosen in roles):
        return chosen
    return None if is_superuser else min(roles, default=None)


def _as_uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None


def _user(request: HttpRequest) -> Any:
    return request.user
