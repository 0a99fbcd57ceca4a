"""What stands below a lead: notes and touches."""

from typing import ClassVar

from django.db.models import TextField
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.access import Role
from accounts.admin_base import ScopedStackedInline, ScopedTabularInline
from accounts.admin_values import as_table
from leads.models import LeadNote, Touch


class NoteInline(ScopedStackedInline):
    """Notes are added and stay as they were written."""

    model = LeadNote
    add_role = Role.AGENT
    change_role = delete_role = None
    fields = ("text", "author", "written_at")
    readonly_fields = ("author", "written_at")
    hide_title = True
    extra = 1
    formfield_overrides: ClassVar = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}
    verbose_name = "note"
    verbose_name_plural = "Notes"


class TouchInline(ScopedTabularInline):
    """Every submission of this lead."""

    model = Touch
    add_role = change_role = delete_role = None
    fields = ("received_at", "source", "campaign", "external_id", "shown_utm", "consent")
    readonly_fields = fields
    hide_title = True
    verbose_name_plural = "Touches"

    @display(description="UTM")
    def shown_utm(self, touch: Touch) -> str:
        """The parameters of the link that was followed."""
        return as_table(touch.utm)
