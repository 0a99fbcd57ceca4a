"""Pages of the CRM connection, of what it was told, and of who hears of leads."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import action, display

from accounts.admin_base import ReadOnlyScopedAdmin, ScopedModelAdmin
from accounts.admin_values import as_link
from channels_out.admin.forms import CrmForm, NotifyForm
from channels_out.models import CrmConnection, CrmSync, NotifySettings
from channels_out.services.syncing import forget_cached_connections, sync_again

SYNC_COLOURS = {"waiting": "info", "synced": "success", "failed": "danger"}
_MOST_AT_ONCE = 500


class _OnePerOrganization(ScopedModelAdmin):
    """A page of settings that an organization has once."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role may add one, and there is none yet."""
        return super().has_add_permission(request, obj) and not self.get_queryset(request).exists()


@admin.register(CrmConnection)
class CrmConnectionAdmin(_OnePerOrganization):
    """Where leads are synced to. The secret can be set and replaced, never read."""

    form = CrmForm
    audit_as = "crm"
    list_display = ("kind", "base_url", "is_active")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The secrets' inputs stand with the rest; whoever may only look sees none."""
        names = ["kind", "base_url", "is_active"]
        may_change = self.has_change_permission(request, obj) if obj else True
        return [(None, {"fields": [*names, "secret", "previous_secret"] if may_change else names})]

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The change is saved; workers sync by it within 2 s."""
        super().save_model(request, obj, form, change)
        forget_cached_connections()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: syncs refer to it. Switch it off instead."""
        return False


@admin.register(CrmSync)
class CrmSyncAdmin(ReadOnlyScopedAdmin):
    """How far each lead's sync got."""

    list_display = ("lead_link", "shown_state", "attempts", "remote_id", "reason", "created_at", "synced_at")
    list_filter = ("state", "reason", "created_at")
    search_fields = ("remote_id", "=lead__id")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    list_select_related = ("lead__contact",)
    actions: ClassVar = ["sync_these_again"]

    @admin.display(description="lead")
    def lead_link(self, sync: CrmSync) -> str:
        """The lead's page."""
        url = reverse("admin:leads_lead_change", args=[sync.lead_id])
        contact = getattr(sync.lead, "contact", None)
        return as_link(url, getattr(contact, "name", "") or sync.lead)

    @display(description="state", ordering="state", label=SYNC_COLOURS)
    def shown_state(self, sync: CrmSync) -> str:
        """The state as a coloured word."""
        return sync.state

    @action(description="Sync again", permissions=["act"])
    def sync_these_again(self, request: HttpRequest, queryset: QuerySet[CrmSync]) -> None:
        """Each chosen lead is sent to the CRM once more."""
        rows = list(queryset.values_list("organization_id", "lead_id")[:_MOST_AT_ONCE])
        for organization_id, lead_id in rows:
            sync_again(organization_id=organization_id, lead_id=lead_id)
        messages.success(request, f"{len(rows)} {'lead' if len(rows) == 1 else 'leads'} will be synced again.")


@admin.register(NotifySettings)
class NotifySettingsAdmin(_OnePerOrganization):
    """Who hears of new, answered and stuck leads."""

    form = NotifyForm
    audit_as = "notify"
    list_display = ("email", "webhook_url", "is_active", "told_until")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The secret's input stands with the rest; whoever may only look sees none."""
        names = ["email", "webhook_url", "is_active"]
        may_change = self.has_change_permission(request, obj) if obj else True
        return [(None, {"fields": [*names, "secret"] if may_change else names})]
