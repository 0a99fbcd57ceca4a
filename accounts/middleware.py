"""The admin's clock is the clock of the organization that is looked at."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import selectors
from accounts.access import access_of

ADMIN = "/admin/"


class OrganizationTime:
    """Times on the admin's pages are in the current organization's time zone; UTC where none is chosen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, rendered in that zone."""
        organization_id = access_of(request).current_id if request.path.startswith(ADMIN) else None
        if organization_id is None:
            return self._get_response(request)
        with timezone.override(ZoneInfo(selectors.organization_by_id(organization_id).timezone)):
            return self._get_response(request)
