"""Inputs of the settings pages; the same rules hold as for the configuration file."""

from typing import Any, ClassVar

from django import forms
from pydantic import TypeAdapter, ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin_base import ScopedModelForm, SecretsWriteOnly
from channels_out.config_section import SECRETS, ChannelConfig, CrmConfig, NotifyConfig, TemplateConfig
from channels_out.models import Channel, CrmConnection, MessageTemplate, NotifySettings

SETTINGS = {
    "base_url": "Address of the provider's API; empty: the provider's own.",
    "api_version": "WhatsApp: such as v23.0.",
    "phone_number_id": "WhatsApp: the number's id at Meta, not the number.",
    "waba_id": "WhatsApp: id of the business account.",
    "display_phone_number": "WhatsApp: the number as people see it.",
    "account_sid": "Twilio: begins with AC.",
    "from_number": "Twilio: the sending number; or name a messaging service.",
    "messaging_service_sid": "Twilio: begins with MG.",
    "from_email": "E-mail: the address to write from.",
}
_CHANNEL = ("name", "kind", "messages_per_second", "is_active")
_TEMPLATE = ("name", "kind", "language", "category", "parameter_format", "parameters", "body")
_CRM = ("kind", "base_url", "is_active")
_NOTIFY = ("email", "webhook_url", "is_active")


def _complain(form: ScopedModelForm, error: ValidationError, known: set[str]) -> None:
    """Each mistake stands at its input, those of the whole at the top."""
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        name = next((str(part) for part in reversed(one["loc"]) if str(part) in known), None)
        missing = one["type"] == "missing"
        form.add_error(name, "Needed for this kind." if missing else str(one["msg"]).removeprefix("Value error, "))


class ChannelForm(SecretsWriteOnly):
    """A channel: its public settings and its secrets, which are never shown."""

    secret_names: ClassVar = SECRETS

    class Meta:
        model = Channel
        fields = _CHANNEL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SETTINGS:
            if name in self.fields:
                self.fields[name].initial = (self.instance.settings or {}).get(name, "")

    def clean(self) -> dict[str, Any]:
        """The row's settings are those of its kind, checked as the configuration file's are."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        stored = dict(self.instance.credentials or {})
        typed = {name: cleaned[name] for name in SECRETS if cleaned.get(name)}
        settings = {name: cleaned[name] for name in SETTINGS if cleaned.get(name)}
        columns = {name: cleaned[name] for name in _CHANNEL if name in cleaned}
        try:
            TypeAdapter(ChannelConfig).validate_python({**columns, **settings, **stored, **typed})
        except ValidationError as error:
            _complain(self, error, set(self.fields))
        self.instance.settings = settings
        return cleaned


for _name, _help in SETTINGS.items():
    ChannelForm.declared_fields[_name] = forms.CharField(
        required=False, max_length=500, help_text=_help, widget=UnfoldAdminTextInputWidget()
    )


class TemplateForm(ScopedModelForm):
    """A template, checked as the configuration file's are."""

    class Meta:
        model = MessageTemplate
        fields = _TEMPLATE

    def clean(self) -> dict[str, Any]:
        """The body fits the parameters."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            TemplateConfig.model_validate({name: cleaned[name] for name in _TEMPLATE if name in cleaned})
        except ValidationError as error:
            _complain(self, error, set(self.fields))
        return cleaned


class CrmForm(SecretsWriteOnly):
    """The CRM's address and secret."""

    secret_names: ClassVar = ("secret", "previous_secret")

    class Meta:
        model = CrmConnection
        fields = _CRM
        field_classes: ClassVar = {"base_url": forms.CharField}

    def clean(self) -> dict[str, Any]:
        """The address may be called from here, and the kind can sync."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            CrmConfig.model_validate({name: cleaned[name] for name in _CRM if name in cleaned})
        except ValidationError as error:
            _complain(self, error, set(self.fields))
        return cleaned


class NotifyForm(SecretsWriteOnly):
    """Who hears of leads."""

    secret_names: ClassVar = ("secret",)

    class Meta:
        model = NotifySettings
        fields = _NOTIFY
        field_classes: ClassVar = {"webhook_url": forms.CharField}

    def clean(self) -> dict[str, Any]:
        """The address may be called from here."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: cleaned[name] for name in _NOTIFY if cleaned.get(name) not in (None, "")}
        try:
            NotifyConfig.model_validate(given)
        except ValidationError as error:
            _complain(self, error, set(self.fields))
        return cleaned
