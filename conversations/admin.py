"""Pages for conversations, the language model and the greeting."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import action
from unfold.decorators import display as labelled

from accounts.admin_base import ReadOnlyScopedAdmin, ScopedModelAdmin
from accounts.admin_values import as_link
from channels_out.threads import thread_of
from conversations.forms import GreetingSettingsForm, LlmConnectionForm
from conversations.models import Conversation, GreetingSettings, LlmConnection
from conversations.selectors import forget_cached_plans
from conversations.services.trial import try_model


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyScopedAdmin):
    """Threads, newest first, each with everything that was said either way."""

    list_display = ["who", "reached_at", "shown_state", "opened_at", "last_inbound_at", "last_outbound_at"]
    list_filter = ["state", "opened_at"]
    search_fields = ["contact__name", "contact__phone", "contact__email"]
    search_help_text = "Name, phone or e-mail"
    list_select_related = ["contact", "lead"]
    date_hierarchy = "opened_at"
    ordering = ["-id"]
    fields = ["who", "reached_at", "shown_state", "opened_at", "last_inbound_at", "last_outbound_at", "shown_lead"]
    readonly_fields = fields
    change_form_after_template = "admin/conversations/thread.html"

    @admin.display(description="Contact", ordering="contact__name")
    def who(self, conversation: Conversation) -> str:
        """The contact's name, or what stands in for it."""
        return str(getattr(conversation.contact, "name", "")) or "Unnamed"

    @admin.display(description="Phone or e-mail")
    def reached_at(self, conversation: Conversation) -> str:
        """Where the contact is reached."""
        contact = conversation.contact
        return str(getattr(contact, "phone", "") or getattr(contact, "email", ""))

    def page_title(self, row: Conversation) -> str:
        """With whom it is."""
        return self.who(row)

    @labelled(description="State", label={"Open": "success", "Closed": "info"})
    def shown_state(self, conversation: Conversation) -> str:
        """The state as a coloured word."""
        return str(conversation.get_state_display())

    @admin.display(description="Lead")
    def shown_lead(self, conversation: Conversation) -> str:
        """The lead's public id, as the way to its page."""
        if conversation.lead_id is None:
            return "-"
        address = reverse("admin:leads_lead_change", args=[conversation.lead_id])
        return as_link(address, conversation.lead)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One conversation with its thread; of another organization, none."""
        conversation = self.get_object(request, object_id)
        thread = (
            thread_of(organization_id=conversation.organization_id, conversation_id=conversation.pk)
            if conversation
            else []
        )
        context = {**(extra_context or {}), "thread": thread}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response


class _OnePerOrganization(ScopedModelAdmin):
    """A page of settings that an organization has once."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role may add one, and there is none yet."""
        return super().has_add_permission(request, obj) and not self.get_queryset(request).exists()

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The change is saved, and this process greets by it at once; the others within 2 s."""
        super().save_model(request, obj, form, change)
        forget_cached_plans()


@admin.register(LlmConnection)
class LlmConnectionAdmin(_OnePerOrganization):
    """The language model. Its key can be set and replaced, never read."""

    form = LlmConnectionForm
    audit_as = "llm"
    list_display = ["provider", "model", "base_url", "timeout_ms"]
    actions_detail: ClassVar = ["ask_once"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The key's input stands with the rest; whoever may only look sees no trace of it."""
        names = ["provider", "base_url", "model", "timeout_ms", "max_tokens_field"]
        return [(None, {"fields": [*names, "api_key"] if self.has_change_permission(request, obj) else names})]

    @action(description="Ask the model once", url_path="ask-once", permissions=["change"])
    def ask_once(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The model is asked for a greeting to nobody, and the page says how it did."""
        connection = self.get_object(request, object_id)
        if connection is None:
            return redirect(reverse("admin:conversations_llmconnection_changelist"))
        trial = try_model(organization_id=connection.organization_id)
        if trial.text:
            messages.success(request, f"It answered in {trial.took_ms} ms: {trial.text}")
        else:
            messages.error(request, f"No usable answer after {trial.took_ms} ms: {trial.reason}.")
        return redirect(reverse("admin:conversations_llmconnection_change", args=[connection.pk]))


@admin.register(GreetingSettings)
class GreetingSettingsAdmin(_OnePerOrganization):
    """How the first message is written, and where it goes."""

    form = GreetingSettingsForm
    audit_as = "greeting"
    list_display = ["fallback_text", "shown_channels", "template", "language"]
    fieldsets = [
        (
            "Text",
            {"fields": ["prompt", "fallback_text", "language", "max_chars"]},
        ),
        ("Delivery", {"fields": ["channel_names", "template", "unknown_wait_s", "max_age_s"]}),
    ]

    @admin.display(description="Channels")
    def shown_channels(self, greeting: GreetingSettings) -> str:
        """The names in order."""
        return ", ".join(greeting.channels)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever may only look sees the stored list instead of the input."""
        if self.has_change_permission(request, obj):
            return self.fieldsets
        shown = ["prompt", "fallback_text", "language", "max_chars", "shown_channels", "template", "unknown_wait_s"]
        return [(None, {"fields": [*shown, "max_age_s"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The stored list is never an input."""
        return ["shown_channels"]
