"""The lead pages: the list, one lead with its timeline and waterfall, and entering one by hand."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from import_export.admin import ExportActionMixin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import action, display

from accounts.access import Role, access_of
from accounts.admin_base import ScopedModelAdmin, after_dialog, ask
from accounts.admin_values import as_link, as_table
from leads import handling
from leads.admin.contacts import contact_link
from leads.admin.export import LeadResource
from leads.admin.forms import LeadForm, NewLeadForm
from leads.admin.inlines import NoteInline, TouchInline
from leads.admin.waterfall import bars_of
from leads.choices import LeadStatus, SourceKind
from leads.models import Lead, LeadSource
from leads.selectors import forget_cached_sources, timeline_of
from leads.services import capture_lead
from leads.submission import InvalidSubmission, Submission
from swiftex import clock
from swiftex.ids import parse_public_id, public_id

STATUS_COLOURS = {
    "new": "info",
    "contacted": "info",
    "replied": "success",
    "qualified": "success",
    "closed": "secondary",
    "spam": "danger",
}
GREETING_COLOURS = {
    "pending": "info",
    "greeted": "success",
    "suppressed": "secondary",
    "failed": "danger",
    "unresolved": "warning",
}
_BY_HAND = "admin"


@admin.register(Lead)
class LeadAdmin(ExportActionMixin, ScopedModelAdmin):  # type: ignore[misc]
    """Leads of the organization."""

    form = LeadForm
    add_role = change_role = Role.AGENT
    delete_role = None
    resource_classes = (LeadResource,)
    export_form_class = ExportForm
    change_form_outer_before_template = "admin/leads/lead/timeline.html"
    inlines = (NoteInline, TouchInline)
    list_display = (
        "person",
        "phone",
        "source",
        "shown_status",
        "shown_greeting",
        "first_response",
        "owner",
        "received_at",
    )
    list_filter = (
        "status",
        "greeting_state",
        "source",
        "owner",
        "consent",
        ("received_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("contact", "source", "owner")
    date_hierarchy = "received_at"
    ordering = ("-received_at",)
    search_fields = ("contact__name", "phone", "email", "=external_id")
    search_help_text = "A name, phone, e-mail, external id or lead id"
    actions = ("greet_chosen_again", "assign_to_me", "mark_as_spam", "release_from_spam")
    actions_detail = ("greet_this_again", "mark_this_as_spam", "release_this")
    fieldsets = (
        ("Work", {"fields": (("status", "owner"), "tags")}),
        (
            "Submission",
            {
                "fields": (
                    "public_id", "shown_contact", "phone", "email", "message", "shown_attributes", "source",
                    "campaign", "external_id", "shown_utm", "consent", "received_at",
                ),
            },
        ),
        (
            "First message",
            {
                "fields": (
                    "greeting_state", "greeting_reason", "greeting_channel", "greeted_at", "replied_at",
                    "shown_messages",
                ),
            },
        ),
        ("Decision", {"fields": ("shown_decision",), "classes": ("collapse",)}),
    )  # fmt: skip
    readonly_fields = (
        "public_id", "shown_contact", "phone", "email", "message", "shown_attributes", "source", "campaign",
        "external_id", "shown_utm", "consent", "received_at", "greeting_state", "greeting_reason", "greeting_channel",
        "greeted_at", "replied_at", "shown_decision", "shown_messages",
    )  # fmt: skip

    # --- the list

    @display(description="name", ordering="contact__name")
    def person(self, lead: Lead) -> str:
        """The person's name, or how else they are known."""
        return lead.contact.name or lead.phone or lead.email

    @display(description="status", ordering="status", label=STATUS_COLOURS)
    def shown_status(self, lead: Lead) -> str:
        """The status, in its colour."""
        return lead.status

    @display(description="first message", ordering="greeting_state", label=GREETING_COLOURS)
    def shown_greeting(self, lead: Lead) -> tuple[str, str]:
        """What became of the first message, and on which channel or why."""
        detail = lead.greeting_channel if lead.greeting_state == "greeted" else lead.greeting_reason
        words = f"{lead.greeting_state}: {detail.replace('_', ' ')}" if detail else lead.greeting_state
        return lead.greeting_state, words

    @display(description="first response")
    def first_response(self, lead: Lead) -> str:
        """Received to accepted by a channel, in seconds."""
        if lead.greeted_at is None:
            return "-"
        return f"{(lead.greeted_at - lead.greeting_asked_at).total_seconds():.2f} s"

    @display(description="id")
    def public_id(self, lead: Lead) -> str:
        """The id by which the API knows the lead."""
        return public_id("lead", lead.id)

    @display(description="messages")
    def shown_messages(self, lead: Lead) -> str:
        """The way to every message about the lead, with attempts and receipts."""
        url = f"{reverse('admin:channels_out_message_changelist')}?lead__id__exact={lead.pk}"
        return as_link(url, "Messages and attempts")

    @display(description="contact")
    def shown_contact(self, lead: Lead) -> SafeString:
        """The way to the person's page."""
        return contact_link(lead.contact)

    @display(description="attributes")
    def shown_attributes(self, lead: Lead) -> str:
        """What the source added."""
        return as_table(lead.attributes)

    @display(description="UTM")
    def shown_utm(self, lead: Lead) -> str:
        """The parameters of the link that was followed."""
        return as_table(lead.utm)

    @display(description="decision")
    def shown_decision(self, lead: Lead) -> str:
        """Which rule decided what, and why."""
        return as_table(lead.decision)

    def page_title(self, row: Lead) -> str:
        """The person's name, or how else they are known."""
        return str(self.person(row))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Lead], search_term: str
    ) -> tuple[QuerySet[Lead], bool]:
        """A lead's public id finds that lead; everything else is searched for as text."""
        try:
            return queryset.filter(pk=parse_public_id("lead", search_term.strip())), False
        except ValueError:
            found: tuple[QuerySet[Lead], bool] = super().get_search_results(request, queryset, search_term)
            return found

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Agents and everyone above may take leads out."""
        return self.has_act_permission(request)

    def has_spam_permission(self, request: HttpRequest, object_id: str) -> bool:
        """Whether there is a lead to set aside."""
        return self.has_act_permission(request) and not self._is_spam(request, object_id)

    def has_release_permission(self, request: HttpRequest, object_id: str) -> bool:
        """Whether there is a lead to release."""
        return self.has_act_permission(request) and self._is_spam(request, object_id)

    def _is_spam(self, request: HttpRequest, object_id: str) -> bool:
        return self.get_queryset(request).filter(pk=object_id, status=LeadStatus.SPAM).exists()

    # --- actions

    @admin.action(description="Greet again", permissions=["act"])
    def greet_chosen_again(self, request: HttpRequest, queryset: QuerySet[Lead]) -> None:
        """The first message is owed once more where it failed or never went out."""
        at = clock.now()
        refused = []
        for lead in queryset:
            try:
                handling.greet_again(organization_id=lead.organization_id, lead_id=lead.id, at=at)
            except handling.CannotGreet as reason:
                refused.append(f"{lead}: {reason}")
        done = len(queryset) - len(refused)
        if done:
            messages.success(request, f"{done} will be greeted now.")
        for line in refused[:10]:
            messages.warning(request, f"Not greeted - {line}.")

    @admin.action(description="Assign to me", permissions=["act"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Lead]) -> None:
        """The leads belong to whoever asks."""
        owner_id = int(request.user.pk or 0)
        self._each(
            request,
            queryset,
            lambda lead: handling.assign_lead(organization_id=lead.organization_id, lead_id=lead.id, owner_id=owner_id),
            "assigned to you",
        )

    @admin.action(description="Mark as spam", permissions=["act"])
    def mark_as_spam(self, request: HttpRequest, queryset: QuerySet[Lead]) -> None:
        """The leads are set aside, and nothing is sent for them."""
        self._each(
            request,
            queryset,
            lambda lead: handling.mark_spam(
                organization_id=lead.organization_id, lead_id=lead.id, reason="marked by a person"
            ),
            "set aside as spam",
        )

    @admin.action(description="Not spam", permissions=["act"])
    def release_from_spam(self, request: HttpRequest, queryset: QuerySet[Lead]) -> None:
        """The leads are new ones like any other."""
        at = clock.now()
        self._each(
            request,
            queryset,
            lambda lead: handling.release_from_spam(organization_id=lead.organization_id, lead_id=lead.id, at=at),
            "released and greeted",
        )

    @action(
        description="Greet again",
        permissions=["act"],
        dialog=ask(
            "Greet this person again?", "The first message is sent now, if it failed or never went out.", "Greet again"
        ),
    )
    def greet_this_again(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """The first message of this lead is owed once more."""
        return self._on_one(request, object_id, self.greet_chosen_again)

    @action(
        description="Mark as spam",
        permissions=["spam"],
        dialog=ask("Set this lead aside as spam?", "Nothing is sent for it. It can be released again.", "Mark as spam"),
    )
    def mark_this_as_spam(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """This lead is set aside."""
        return self._on_one(request, object_id, self.mark_as_spam)

    @action(
        description="Not spam",
        permissions=["release"],
        dialog=ask("Release this lead?", "It is a new lead like any other and is greeted now.", "Release"),
    )
    def release_this(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """This lead is a new one."""
        return self._on_one(request, object_id, self.release_from_spam)

    def _on_one(
        self, request: HttpRequest, object_id: str, act: Callable[[HttpRequest, QuerySet[Lead]], None]
    ) -> HttpResponse:
        act(request, self.get_queryset(request).filter(pk=object_id))
        return after_dialog(reverse("admin:leads_lead_change", args=[object_id]))

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Lead], work: Callable[[Lead], bool], done_words: str
    ) -> None:
        done = sum(work(lead) for lead in queryset)
        messages.success(request, f"{done} {'lead' if done == 1 else 'leads'} {done_words}.")

    # --- one lead

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """The lead's page, with its timeline above the form."""
        context = dict(extra_context or {})
        lead = self.get_object(request, object_id) if object_id else None
        if lead is not None:
            timeline = timeline_of(organization_id=lead.organization_id, lead_id=lead.pk)
            context |= {"timeline": timeline, "bars": bars_of(timeline)}
        return super().changeform_view(request, object_id, form_url, context)

    def formfield_for_choice_field(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Spam is an action of its own, for it calls messages off."""
        if db_field.name == "status":
            kwargs["choices"] = [pair for pair in db_field.choices if pair[0] != LeadStatus.SPAM]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Lead | None = None) -> list[str]:
        """A lead that was set aside keeps its status until it is released."""
        fixed = list(super().get_readonly_fields(request, obj))
        return [*fixed, "status"] if obj is not None and obj.status == LeadStatus.SPAM else fixed

    def save_model(self, request: Any, obj: Lead, form: Any, change: bool) -> None:
        """Status and tags are saved; a new owner is an assignment."""
        changed = set(form.changed_data)
        if "owner" in changed:
            handling.assign_lead(organization_id=obj.organization_id, lead_id=obj.id, owner_id=obj.owner_id)
        if changed & {"status", "tags"}:
            obj.save(update_fields=sorted(changed & {"status", "tags"}))

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Notes are signed by whoever writes them."""
        for note in formset.save(commit=False):
            note.author_id = request.user.pk
            note.organization_id = form.instance.organization_id
            note.save()
        formset.save_m2m()

    # --- a lead by hand

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A form whose lead goes the way of every lead: captured, decided upon, greeted."""
        organization_id = access_of(request).current_id
        if organization_id is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = NewLeadForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                captured = self._capture(organization_id, form.cleaned_data)
            except InvalidSubmission as fault:
                form.add_error(
                    fault.field if fault.field in form.fields else None, fault.reason[:1].upper() + fault.reason[1:]
                )
            else:
                words = "This person is known: a touch was added." if captured.is_duplicate else "The lead is captured."
                messages.success(request, words)
                return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[captured.lead_id]))
        context = {
            **self.admin_site.each_context(request),
            "title": "Add lead",
            "opts": self.model._meta,
            "form": form,
        }
        return render(request, "admin/leads/lead/add.html", context)

    def _capture(self, organization_id: UUID, values: dict[str, Any]) -> Any:
        received_at = clock.now()
        _, is_new = LeadSource.objects.get_or_create(
            organization_id=organization_id, key=_BY_HAND, defaults={"kind": SourceKind.ADMIN.value}
        )
        if is_new:
            forget_cached_sources()
        submission = Submission(organization_id=organization_id, source_key=_BY_HAND, **values)
        return capture_lead(submission, received_at=received_at)
