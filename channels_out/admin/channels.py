"""Pages of senders, templates and unreachable people."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action, display

from accounts.admin_base import ReadOnlyScopedAdmin, ScopedModelAdmin
from accounts.admin_values import clock_time
from channels_out import senders
from channels_out.admin.forms import SETTINGS, ChannelForm, TemplateForm
from channels_out.config_section import SECRETS
from channels_out.models import SENDABLE_KINDS, Channel, MessageTemplate, Unreachable
from channels_out.services.checking import UnknownChannel, check_channel
from swiftex import clock

_WHATSAPP = ("phone_number_id", "waba_id", "display_phone_number", "api_version")
_WHATSAPP_SECRETS = ("access_token", "app_secret", "previous_app_secret", "verify_token")
_TWILIO = ("account_sid", "from_number", "messaging_service_sid")
_TWILIO_SECRETS = ("auth_token", "previous_auth_token")
STATE_COLOURS = {"ready": "success", "not checked": "info", "failing": "danger", "down": "danger", "off": "warning",
                 "not sendable yet": "warning"}  # fmt: skip


@admin.register(Channel)
class ChannelAdmin(ScopedModelAdmin):
    """Senders. Secrets can be set and replaced, never read; the button asks the provider whether all is well."""

    form = ChannelForm
    audit_as = "channel"
    list_display = ("name", "kind", "shown_state", "messages_per_second", "checked_at")
    list_filter = ("kind", "is_active")
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("shown_state", "shown_breaker", "shown_checks", "callback_address")
    actions_detail: ClassVar = ["check_now"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever may only look sees no input for a secret."""
        secrets = self.has_change_permission(request, obj) if obj else True
        seen: list[Any] = [
            (None, {"fields": ["name", "kind", "messages_per_second", "is_active"]}),
            ("State", {"fields": ["shown_state", "shown_breaker", "callback_address", "shown_checks"]}),
        ]
        if not secrets:
            return seen
        return [
            *seen,
            ("Provider", {"fields": ["base_url"]}),
            ("WhatsApp", {"fields": [*_WHATSAPP, *_WHATSAPP_SECRETS]}),
            ("Twilio", {"fields": [*_TWILIO, *_TWILIO_SECRETS]}),
            ("E-mail", {"fields": ["from_email"]}),
        ]

    @display(description="state", label=STATE_COLOURS)
    def shown_state(self, channel: Channel) -> str:
        """One word for what matters most."""
        if channel.kind not in SENDABLE_KINDS:
            return "not sendable yet"
        if not channel.is_active:
            return "off"
        if channel.paused_until and channel.paused_until > clock.now():
            return "down"
        if not channel.checked_at:
            return "not checked"
        return "ready" if channel.check_result.get("ok") else "failing"

    @admin.display(description="breaker")
    def shown_breaker(self, channel: Channel) -> str:
        """Whether the sender is passed over, until when, and why."""
        if channel.paused_until and channel.paused_until > clock.now():
            return (
                f"open until {clock_time(channel.paused_until)} ({channel.paused_reason}); leads take the next channel"
            )
        return f"closed; last opened for {channel.paused_reason}" if channel.paused_reason else "closed"

    @admin.display(description="last check")
    def shown_checks(self, channel: Channel) -> str:
        """Each check with its remedy."""
        checks = channel.check_result.get("checks") or []
        if not checks:
            return "-"
        rows = format_html_join(
            "",
            "<li>{} <strong>{}</strong>: {}</li>",
            (("ok" if check["is_ok"] else "failed", check["name"], check["detail"]) for check in checks),
        )
        return format_html("<ul>{}</ul>", rows)

    @admin.display(description="callback address")
    def callback_address(self, channel: Channel) -> str:
        """What to enter at the provider."""
        sender = senders.senders_of(channel.organization_id).by_id.get(channel.pk)
        return ", ".join(sender.callback_urls) if sender else "-"

    @action(description="Check now", url_path="check", permissions=["change"])
    def check_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Token, templates and callback are checked, and the page says how they are."""
        channel = self.get_object(request, object_id)
        if channel is None:
            return redirect(reverse("admin:channels_out_channel_changelist"))
        try:
            checks = check_channel(organization_id=channel.organization_id, name=channel.name)
        except UnknownChannel:
            return redirect(reverse("admin:channels_out_channel_changelist"))
        for check in checks:
            tell = messages.success if check.is_ok else messages.error
            tell(request, f"{check.name}: {check.detail}")
        return redirect(reverse("admin:channels_out_channel_change", args=[channel.pk]))

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The change is saved, and this process sends by it at once; the others within 2 s."""
        super().save_model(request, obj, form, change)
        senders.forget()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: messages refer to it. Switch it off instead."""
        return False


@admin.register(MessageTemplate)
class MessageTemplateAdmin(ScopedModelAdmin):
    """Approved texts for a first contact."""

    form = TemplateForm
    audit_as = "template"
    list_display = ("name", "kind", "language", "category", "parameter_format")
    list_filter = ("kind", "category")
    search_fields = ("name",)
    ordering = ("name",)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The change is saved, and this process sends by it at once; the others within 2 s."""
        super().save_model(request, obj, form, change)
        senders.forget()


@admin.register(Unreachable)
class UnreachableAdmin(ReadOnlyScopedAdmin):
    """People who can't be reached over a kind of channel, until when, and what said so."""

    list_display = ("who", "channel_kind", "code", "until")
    list_filter = ("channel_kind", "code")
    list_select_related = ("contact",)
    ordering = ("-until",)

    @admin.display(description="contact", ordering="contact__name")
    def who(self, row: Unreachable) -> str:
        """The contact's name, or what stands in for it."""
        return str(getattr(row.contact, "name", "")) or str(getattr(row.contact, "phone", "")) or "Unnamed"


assert set(SECRETS) == {*_WHATSAPP_SECRETS, *_TWILIO_SECRETS}  # noqa: S101 - a secret without an input can't be set
assert {*_WHATSAPP, *_TWILIO, "base_url", "from_email"} == set(SETTINGS)  # noqa: S101
