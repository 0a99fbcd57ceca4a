"""The page of sources."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from accounts.admin_base import ScopedModelAdmin, SecretsWriteOnly
from accounts.admin_values import as_link
from leads.choices import SourceKind
from leads.models import LeadSource
from leads.selectors import forget_cached_sources
from leads.sources.form import is_field_name


class SourceForm(SecretsWriteOnly):
    """A source; the key of a Google form is typed in and never shown."""

    secret_names = ("google_key",)
    google_key = forms.CharField(required=False)  # made anew, write-only, by the base

    class Meta:
        model = LeadSource
        fields = (
            "key", "kind", "consent", "consent_text", "consent_version", "fields", "duplicate_window_days", "is_active",
        )  # fmt: skip

    def clean_fields(self) -> list[str]:
        """A list of names of fields; raises ValidationError."""
        names = self.cleaned_data["fields"] or []
        if not isinstance(names, list) or not all(is_field_name(name) for name in names):
            raise forms.ValidationError('Must be a list of lower-case names, such as ["name", "phone"].')
        return names


@admin.register(LeadSource)
class LeadSourceAdmin(ScopedModelAdmin):
    """The ways in. A source that leads came from stays; it can be switched off."""

    form = SourceForm
    delete_role = None
    audit_as = "source"
    list_display = ("key", "kind", "consent", "duplicate_window_days", "is_active", "address")
    list_filter = ("kind", "is_active")
    search_fields = ("key",)
    ordering = ("key",)
    fieldsets = (
        (None, {"fields": ("key", "kind", "is_active", "address")}),
        ("Consent", {"fields": ("consent", "consent_text", "consent_version")}),
        ("Form", {"fields": ("fields",)}),
        ("Duplicates", {"fields": ("duplicate_window_days",)}),
        ("Secrets", {"fields": ("google_key",)}),
    )
    readonly_fields = ("address",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The key stands in addresses and configuration files, so it stays."""
        return ["address", "key", "kind"] if obj is not None else ["address"]

    @display(description="address")
    def address(self, source: LeadSource) -> str:
        """Where a form is, as a link."""
        if source.kind != SourceKind.FORM or source.pk is None or not source.key:
            return "-"
        url = reverse("form", args=[f"{source.organization.slug}.{source.key}"])
        return as_link(url, url)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The source is saved, and this process knows it at once; others within 2 s."""
        super().save_model(request, obj, form, change)
        forget_cached_sources()
