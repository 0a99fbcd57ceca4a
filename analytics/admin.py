"""The report page: how fast were we?"""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.access import access_of
from accounts.admin_base import ReadOnlyScopedAdmin
from analytics.models import LeadStat
from analytics.selectors import first_response_report
from analytics.services import day_in_organization
from swiftex import clock

PERIODS = (1, 7, 30, 90)
USUAL_DAYS = 7


@admin.register(LeadStat)
class FirstResponseAdmin(ReadOnlyScopedAdmin):
    """First-response times and the ends of leads, by day of capture and source, in place of a list of counts."""

    list_display: ClassVar = ["day", "source", "measure", "count"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The report of the current organization; a superuser who looks at all of them chooses one first."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.model._meta,
            "title": "First response",
            "periods": PERIODS,
            **_report(access_of(request).current_id, _days_of(request)),
        }
        return TemplateResponse(request, "admin/analytics/first_response.html", context)


def _days_of(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in {str(days) for days in PERIODS} else USUAL_DAYS


def _report(organization_id: UUID | None, days: int) -> dict[str, Any]:
    if organization_id is None:
        return {"days": days, "rows": None, "total": None}
    today = day_in_organization(organization_id, clock.now())
    rows, total = first_response_report(
        organization_id=organization_id, first_day=today - timedelta(days=days - 1), last_day=today
    )
    return {"days": days, "rows": rows, "total": total}
