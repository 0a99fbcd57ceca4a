"""Leads as rows of a file."""

from typing import Any

from import_export import resources
from import_export.fields import Field

from leads.models import Lead
from swiftex.ids import public_id

# What a spreadsheet takes for the beginning of a formula. The library's own setting only knows the first of them.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class LeadResource(resources.ModelResource):  # type: ignore[misc]
    """One row per lead; a cell that a spreadsheet would run is made text."""

    id = Field(column_name="id")
    source = Field(attribute="source__key", column_name="source")
    name = Field(attribute="contact__name", column_name="name")
    owner = Field(attribute="owner__username", column_name="owner")
    tags = Field(column_name="tags")

    class Meta:
        model = Lead
        fields = (
            "id", "received_at", "source", "campaign", "external_id", "name", "phone", "email", "message", "consent",
            "status", "owner", "tags", "greeting_state", "greeting_channel", "greeted_at", "replied_at",
        )  # fmt: skip
        export_order = fields

    def dehydrate_id(self, lead: Lead) -> str:
        """The public id."""
        return public_id("lead", lead.id)

    def dehydrate_tags(self, lead: Lead) -> str:
        """The tags in one cell."""
        return ", ".join(lead.tags)

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        """The cell's value, with an apostrophe before what would be a formula."""
        value = super().export_field(field, instance, **kwargs)
        is_formula = isinstance(value, str) and value.startswith(_FORMULA_STARTS)
        return f"'{value}" if is_formula else value
