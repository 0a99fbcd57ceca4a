"""Pages of messages with their attempts and receipts, and of raw callbacks. Nothing here can be changed."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from accounts.admin_base import ReadOnlyScopedAdmin, ScopedTabularInline
from accounts.admin_values import as_link, clock_time
from channels_out.models import Attempt, Callback, Message, ReceiptRow

STATUS_COLOURS = {
    "planned": "info", "sending": "info", "accepted": "info", "sent": "info", "delivered": "success", "read": "success",
    "received": "success", "failed": "danger", "unresolved": "warning", "suppressed": "warning",
}  # fmt: skip
ATTEMPT_COLOURS = {"sending": "info", "accepted": "success", "refused": "danger", "unknown": "warning",
                   "abandoned": "warning"}  # fmt: skip
_SHOWN_BYTES = 20_000


class _ReadOnlyInline(ScopedTabularInline):
    """Rows beside their parent that nobody changes."""

    add_role = change_role = delete_role = None
    can_delete = False
    hide_title = True


class AttemptInline(_ReadOnlyInline):
    """The calls that were made for a message."""

    model = Attempt
    fields = ("number", "channel", "state", "as_template", "code", "reason", "provider_id", "started_at", "finished_at",
              "shown_receipts")  # fmt: skip
    readonly_fields = fields
    ordering = ("number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """With channel and receipts, so that a page costs few statements."""
        rows: QuerySet[Attempt] = super().get_queryset(request)
        return rows.select_related("channel").prefetch_related("receipts")

    @admin.display(description="receipts")
    def shown_receipts(self, attempt: Attempt) -> str:
        """What the provider reported, oldest first."""
        receipts = sorted(attempt.receipts.all(), key=lambda receipt: receipt.received_at)
        return (
            ", ".join(
                f"{receipt.status}{f' ({receipt.code})' if receipt.code else ''} {clock_time(receipt.received_at)}"
                for receipt in receipts
            )
            or "-"
        )


class ReceiptInline(_ReadOnlyInline):
    """What the provider reported about an attempt."""

    model = ReceiptRow
    fields = ("status", "code", "reported_at", "received_at")
    readonly_fields = fields
    ordering = ("received_at",)


@admin.register(Message)
class MessageAdmin(ReadOnlyScopedAdmin):
    """Every text, either way: where it stands, how it got there, and why."""

    list_display = (
        "who",
        "direction",
        "shown_status",
        "channel",
        "obligation",
        "text_source",
        "shown_reason",
        "created_at",
    )
    list_filter = ("direction", "status", "channel", "text_source", "obligation", "created_at")
    search_fields = ("contact__name", "contact__phone", "provider_id", "=id", "=lead__id")
    search_help_text = "Name, phone, provider's id, message id or lead id"
    date_hierarchy = "created_at"
    ordering = ("-id",)
    list_select_related = ("contact", "channel")
    inlines: ClassVar = [AttemptInline]
    fieldsets = (
        (None, {"fields": ["shown_id", "who", "lead_link", "direction", "shown_status", "shown_reason", "channel",
                           "text"]}),
        ("Text", {"fields": ["text_source", "text_reason", "template_name", "content_type", "obligation_key"]}),
        ("Moments", {"fields": ["received_at", "deadline_at", "dispatched_at", "started_at", "model_answered_at",
                                "accepted_at", "sent_at", "delivered_at", "read_at", "ended_at"]}),
    )  # fmt: skip
    readonly_fields = ("shown_id", "who", "lead_link", "shown_status", "shown_reason")

    @admin.display(description="id")
    def shown_id(self, message: Message) -> str:
        """As in the API."""
        return message.public_id

    @admin.display(description="contact", ordering="contact__name")
    def who(self, message: Message) -> str:
        """The contact's name, or what stands in for it."""
        return str(getattr(message.contact, "name", "")) or str(getattr(message.contact, "phone", "")) or "Unnamed"

    def page_title(self, row: Message) -> str:
        """Who it went to or came from."""
        return f"{'From' if row.direction == 'in' else 'To'} {self.who(row)}"

    @admin.display(description="lead")
    def lead_link(self, message: Message) -> str:
        """The lead's page."""
        if message.lead_id is None:
            return "-"
        return as_link(reverse("admin:leads_lead_change", args=[message.lead_id]), message.lead)

    @display(description="status", ordering="status", label=STATUS_COLOURS)
    def shown_status(self, message: Message) -> str:
        """The status as a coloured word."""
        return message.status

    @admin.display(description="reason")
    def shown_reason(self, message: Message) -> str:
        """Why it failed or was not sent."""
        return " ".join(part for part in (message.failure_code, message.failure_reason) if part) or "-"


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyScopedAdmin):
    """Every call to a provider, to see what a sender answers these days."""

    list_display = ("started_at", "who", "number", "channel", "shown_state", "code", "reason", "shown_ms")
    list_filter = ("state", "channel", "code", "started_at")
    search_fields = ("provider_id", "=message__id")
    date_hierarchy = "started_at"
    ordering = ("-id",)
    search_help_text = "The provider's id or a message's id"
    list_select_related = ("message__contact", "channel")
    exclude = ("text_hash",)
    inlines: ClassVar = [ReceiptInline]

    @admin.display(description="contact")
    def who(self, attempt: Attempt) -> str:
        """Whom the call was to reach."""
        contact = attempt.message.contact
        return str(getattr(contact, "name", "")) or str(getattr(contact, "phone", "")) or "Unnamed"

    @display(description="state", ordering="state", label=ATTEMPT_COLOURS)
    def shown_state(self, attempt: Attempt) -> str:
        """The state as a coloured word."""
        return attempt.state

    @admin.display(description="took, ms")
    def shown_ms(self, attempt: Attempt) -> str:
        """From the intent to its outcome."""
        if attempt.finished_at is None:
            return "-"
        return str(round((attempt.finished_at - attempt.started_at).total_seconds() * 1000))


class QuarantinedFilter(admin.SimpleListFilter):
    """Callbacks that (in part) nobody could handle."""

    title = "quarantine"
    parameter_name = "quarantined"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Two choices."""
        return [("yes", "In quarantine"), ("no", "Handled")]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with a reason, or those without."""
        chosen = {"yes": ~Q(quarantine=""), "no": Q(quarantine="")}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(Callback)
class CallbackAdmin(ReadOnlyScopedAdmin):
    """What providers posted, as it came."""

    list_display = ("received_at", "channel", "provider", "endpoint", "quarantine", "folded_at")
    list_filter = (QuarantinedFilter, "channel", "provider", "endpoint", "received_at")
    date_hierarchy = "received_at"
    ordering = ("-id",)
    list_select_related = ("channel",)
    fields = ("received_at", "channel", "provider", "endpoint", "query", "content_type", "quarantine", "folded_at",
              "shown_body")  # fmt: skip
    readonly_fields = ("shown_body",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Callback]:
        """Lists leave the bodies where they are."""
        rows: QuerySet[Callback] = super().get_queryset(request)
        is_list = bool(request.resolver_match and request.resolver_match.url_name == "channels_out_callback_changelist")
        return rows.defer("body") if is_list else rows

    @admin.display(description="body")
    def shown_body(self, callback: Callback) -> str:
        """The raw text, cut off where it gets long."""
        text = bytes(callback.body)[:_SHOWN_BYTES].decode("utf-8", "replace")
        return format_html('<pre style="white-space: pre-wrap; word-break: break-all">{}</pre>', text)
