"""What a key may do: each view names the scope of each of its methods, and a method without one is refused."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.api.authentication import AuthenticatedKey
from accounts.models import Scope

if TYPE_CHECKING:
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """True when the key has the scope that `view.required_scopes` names for the method, or `*`.

    required_scopes: such as {"GET": "leads:read", "POST": "leads:write"}; HEAD counts as GET.
    """

    message = "The API key lacks the scope for this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether the caller may go on; without a key DRF makes this a 401."""
        if not isinstance(request.auth, AuthenticatedKey):
            return False
        method = "GET" if request.method == "HEAD" else request.method
        if not hasattr(view, str(method).lower()):
            return True  # no such method here: DRF says so with a 405
        needed = getattr(view, "required_scopes", {}).get(method)
        return needed is not None and (needed in request.auth.scopes or Scope.EVERYTHING in request.auth.scopes)
