"""Forms of the leads pages that are no plain view of a row."""

from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.admin_base import ScopedModelForm
from leads.identity import MAX_EMAIL_CHARS, MAX_PHONE_CHARS
from leads.models import Lead
from leads.submission import MAX_CAMPAIGN_CHARS, MAX_MESSAGE_CHARS, MAX_NAME_CHARS


class NewLeadForm(forms.Form):
    """A lead that a person enters by hand; it is captured like any other."""

    name = forms.CharField(max_length=MAX_NAME_CHARS, required=False, widget=UnfoldAdminTextInputWidget)
    phone = forms.CharField(max_length=MAX_PHONE_CHARS, required=False, widget=UnfoldAdminTextInputWidget)
    email = forms.CharField(
        max_length=MAX_EMAIL_CHARS, required=False, label="E-mail", widget=UnfoldAdminEmailInputWidget
    )
    campaign = forms.CharField(max_length=MAX_CAMPAIGN_CHARS, required=False, widget=UnfoldAdminTextInputWidget)
    message = forms.CharField(max_length=MAX_MESSAGE_CHARS, required=False, widget=UnfoldAdminTextareaWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phone"].help_text = "A phone number or an e-mail address is needed."


class LeadForm(ScopedModelForm):
    """What a person may change about a lead."""

    tags = SimpleArrayField(
        forms.CharField(max_length=50), required=False, max_length=20, help_text="Separated by commas.",
        widget=UnfoldAdminTextInputWidget,
    )  # fmt: skip

    class Meta:
        model = Lead
        fields = ("status", "owner", "tags")
