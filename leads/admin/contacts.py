"""The pages of contacts, of what they agreed to, and of contacts that may be one person."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts.access import Role
from accounts.admin_base import ReadOnlyScopedAdmin, ScopedModelAdmin, ScopedTabularInline, after_dialog, ask
from accounts.admin_values import as_link, as_table
from accounts.audit import user_actor
from leads import consent, handling
from leads.models import ConsentRecord, Contact, Identity, Lead, MergeSuggestion, Suppression, Touch
from swiftex import clock
from swiftex.ids import public_id

SEND_COLOURS = {"may be messaged": "success", "opted out": "danger"}


class _Shown(ScopedTabularInline):
    """Rows that are read here and written elsewhere."""

    add_role = change_role = delete_role = None
    hide_title = True


class IdentityInline(_Shown):
    """How the contact is known."""

    model = Identity
    fields = ("kind", "value", "first_seen_at")
    readonly_fields = fields
    verbose_name_plural = "Identities"


class ConsentInline(_Shown):
    """The ledger of what the person agreed to."""

    model = ConsentRecord
    fields = ("at", "status", "channel", "source", "shown_evidence")
    readonly_fields = fields
    ordering = ("-at",)
    verbose_name_plural = "Consent"

    @display(description="evidence")
    def shown_evidence(self, record: ConsentRecord) -> str:
        """What proves it."""
        return as_table(record.evidence)


class LeadInline(_Shown):
    """The contact's leads."""

    model = Lead
    fields = ("lead", "received_at", "source", "campaign", "status", "greeting_state")
    readonly_fields = fields
    ordering = ("-received_at",)
    verbose_name_plural = "Leads"

    @display(description="lead")
    def lead(self, lead: Lead) -> SafeString:
        """The way to the lead's page."""
        return as_link(reverse("admin:leads_lead_change", args=[lead.pk]), lead)


@admin.register(Contact)
class ContactAdmin(ScopedModelAdmin):
    """People."""

    add_role = delete_role = None
    change_role = Role.AGENT
    list_display = ("person", "phone", "email", "region", "sending", "created_at")
    list_filter = ("region", ("opted_out_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "phone", "email")
    ordering = ("-created_at",)
    fields = (
        "public_id", "name", ("first_name", "last_name"), ("phone", "email"), ("region", "timezone"), "sending",
        "opted_out_at", "opt_out_source", "created_at",
    )  # fmt: skip
    readonly_fields = (
        "public_id", "phone", "email", "region", "sending", "opted_out_at", "opt_out_source", "created_at",
    )  # fmt: skip
    inlines = (LeadInline, ConsentInline, IdentityInline)
    actions = ("opt_out_chosen", "opt_in_chosen")
    actions_detail = ("opt_out_this", "opt_in_this")

    def page_title(self, row: Contact) -> str:
        """The person's name, or how else they are known."""
        return str(self.person(row))

    @display(description="name", ordering="name")
    def person(self, contact: Contact) -> str:
        """The person's name, or how else they are known."""
        return contact.name or contact.phone or contact.email

    @display(description="messages", ordering="opted_out_at", label=SEND_COLOURS)
    def sending(self, contact: Contact) -> str:
        """Whether anything may be sent."""
        return "opted out" if contact.is_opted_out else "may be messaged"

    @display(description="id")
    def public_id(self, contact: Contact) -> str:
        """The id by which the API knows the contact."""
        return public_id("con", contact.id)

    def has_opt_out_permission(self, request: HttpRequest, object_id: str) -> bool:
        """Whether there is somebody to opt out."""
        return self.has_act_permission(request) and not self._is_opted_out(request, object_id)

    def has_opt_in_permission(self, request: HttpRequest, object_id: str) -> bool:
        """Whether there is somebody to opt in."""
        return self.has_act_permission(request) and self._is_opted_out(request, object_id)

    def _is_opted_out(self, request: HttpRequest, object_id: str) -> bool:
        return self.get_queryset(request).filter(pk=object_id, opted_out_at__isnull=False).exists()

    @admin.action(description="Opt out of everything", permissions=["act"])
    def opt_out_chosen(self, request: HttpRequest, queryset: QuerySet[Contact]) -> None:
        """Nothing more is sent to them."""
        self._change_consent(request, queryset, is_opted_out=True)

    @admin.action(description="Opt in again", permissions=["act"])
    def opt_in_chosen(self, request: HttpRequest, queryset: QuerySet[Contact]) -> None:
        """They may be messaged again."""
        self._change_consent(request, queryset, is_opted_out=False)

    @action(
        description="Opt out",
        permissions=["opt_out"],
        dialog=ask(
            "Opt this person out?", "Nothing more is sent, on any channel; what is queued is called off.", "Opt out"
        ),
    )
    def opt_out_this(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Nothing more is sent to this person."""
        self.opt_out_chosen(request, self.get_queryset(request).filter(pk=object_id))
        return after_dialog(reverse("admin:leads_contact_change", args=[object_id]))

    @action(
        description="Opt in again",
        permissions=["opt_in"],
        dialog=ask(
            "Opt this person in again?", "Only if the person asked for it: your name is kept with this entry.", "Opt in"
        ),
    )
    def opt_in_this(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """This person may be messaged again."""
        self.opt_in_chosen(request, self.get_queryset(request).filter(pk=object_id))
        return after_dialog(reverse("admin:leads_contact_change", args=[object_id]))

    def _change_consent(self, request: HttpRequest, queryset: QuerySet[Contact], *, is_opted_out: bool) -> None:
        at = clock.now()
        change = consent.opt_out if is_opted_out else consent.opt_in
        changed = 0
        for contact in queryset.order_by("pk"):
            with transaction.atomic():
                changed += change(
                    organization_id=contact.organization_id,
                    contact_id=contact.id,
                    channel_kind=None,
                    source="admin",
                    evidence={"by": user_actor(request.user.pk)},
                    at=at,
                )
        words = "opted out" if is_opted_out else "may be messaged again"
        messages.success(request, f"{changed} {'contact' if changed == 1 else 'contacts'}: {words}.")


@admin.register(ConsentRecord)
class ConsentRecordAdmin(ReadOnlyScopedAdmin):
    """The ledger of consent: read only, for ever."""

    list_display = ("at", "person", "status", "channel", "source")
    list_filter = ("status", "channel")
    list_select_related = ("contact",)
    search_fields = ("=contact__id", "contact__phone", "contact__email")
    search_help_text = "A phone, e-mail or contact's id"
    ordering = ("-at",)
    date_hierarchy = "at"
    fields = ("at", "person", "status", "channel", "purpose", "source", "shown_evidence")
    readonly_fields = fields

    @display(description="contact")
    def person(self, record: ConsentRecord) -> SafeString:
        """Whose consent it is."""
        return contact_link(record.contact)

    @display(description="evidence")
    def shown_evidence(self, record: ConsentRecord) -> str:
        """What proves it."""
        return as_table(record.evidence)


@admin.register(Touch)
class TouchAdmin(ReadOnlyScopedAdmin):
    """Every submission, for attribution."""

    list_display = ("received_at", "person", "source", "campaign", "external_id", "shown_lead")
    list_filter = ("source", "consent")
    list_select_related = ("source", "contact", "lead")
    search_fields = ("=external_id", "campaign", "=lead__id")
    search_help_text = "An external id, campaign or lead's id"
    ordering = ("-received_at",)
    date_hierarchy = "received_at"
    fields = ("received_at", "source", "campaign", "external_id", "shown_utm", "consent", "person", "shown_lead")
    readonly_fields = fields

    @display(description="contact")
    def person(self, touch: Touch) -> SafeString:
        """Who came."""
        return contact_link(touch.contact)

    @display(description="lead")
    def shown_lead(self, touch: Touch) -> SafeString:
        """The way to the lead's page."""
        return as_link(reverse("admin:leads_lead_change", args=[touch.lead_id]), touch.lead)

    @display(description="UTM")
    def shown_utm(self, touch: Touch) -> str:
        """The parameters of the link that was followed."""
        return as_table(touch.utm)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyScopedAdmin):
    """Identities that nothing may be sent to; only their hashes are kept."""

    list_display = ("kind", "shown_hash", "reason", "since")
    list_filter = ("kind", "reason")
    ordering = ("-since",)
    fields = ("kind", "value_hash", "reason", "since")
    readonly_fields = fields

    @display(description="hash")
    def shown_hash(self, suppression: Suppression) -> str:
        """Enough of the hash to tell two apart."""
        return f"{suppression.value_hash[:12]}..."


@admin.register(MergeSuggestion)
class MergeSuggestionAdmin(ReadOnlyScopedAdmin):
    """Contacts that one submission matched at once."""

    list_display = ("contact_link", "other_link", "suggested_at", "dismissed_at")
    list_filter = (("dismissed_at", admin.EmptyFieldListFilter),)
    list_select_related = ("contact", "other")
    ordering = ("-suggested_at",)
    fields = ("contact_link", "other_link", "suggested_at", "dismissed_at")
    readonly_fields = fields
    actions = ("dismiss",)

    @display(description="contact")
    def contact_link(self, suggestion: MergeSuggestion) -> SafeString:
        """The contact whose phone matched."""
        return contact_link(suggestion.contact)

    @display(description="perhaps the same as")
    def other_link(self, suggestion: MergeSuggestion) -> SafeString:
        """The contact whose e-mail matched."""
        return contact_link(suggestion.other)

    @admin.action(description="They are two people", permissions=["act"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[MergeSuggestion]) -> None:
        """The suggestions are settled."""
        at = clock.now()
        for row in queryset:
            handling.dismiss_suggestion(organization_id=row.organization_id, suggestion_id=row.id, at=at)
        messages.success(request, "Settled.")


def contact_link(contact: Contact) -> SafeString:
    """The way to the person's page, by name."""
    url = reverse("admin:leads_contact_change", args=[contact.id])
    name = contact.name or contact.phone or contact.email or str(contact)
    return as_link(url, name)
