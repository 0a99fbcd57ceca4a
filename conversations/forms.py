"""What a person may type about greetings, checked as the configuration file is."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin_base import ScopedModelForm, SecretsWriteOnly
from channels_out.senders import Senders, senders_of
from conversations.engine.guard import clean
from conversations.engine.prompts import PARAMETER_NAMES
from conversations.models import GreetingSettings, LlmConnection, LlmProvider
from swiftex.http import check_public_url


class LlmConnectionForm(SecretsWriteOnly):
    """The language model; its key is taken and never shown."""

    secret_names: ClassVar = ("api_key",)
    api_key = forms.CharField(required=False)  # declared so that the page can place it; its base makes it write-only

    class Meta:
        model = LlmConnection
        fields: ClassVar = ["provider", "base_url", "model", "timeout_ms", "max_tokens_field"]

    def clean_base_url(self) -> str:
        """An address outside our own network, or none."""
        url: str = self.cleaned_data["base_url"].strip()
        if url:
            try:
                check_public_url(url)
            except ValueError as error:
                raise ValidationError(f"The address {error}.") from None
        return url

    def clean(self) -> dict[str, Any]:
        """A provider with an account needs the name of a model."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("provider") != LlmProvider.SCRIPTED and not data.get("model"):
            self.add_error("model", "Name the model.")
        return data


class GreetingSettingsForm(ScopedModelForm):
    """How the first message is written; channels and template must exist."""

    channel_names = forms.CharField(
        label="Channels",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Names, separated by commas, in the order in which they are tried.",
    )

    class Meta:
        model = GreetingSettings
        fields: ClassVar = [
            "template",
            "prompt",
            "fallback_text",
            "language",
            "max_chars",
            "unknown_wait_s",
            "max_age_s",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel_names"].initial = ", ".join(self.instance.channels or [])

    def clean_channel_names(self) -> str:
        """Names of the organization's channels, each once."""
        names = [name.strip() for name in self.cleaned_data["channel_names"].split(",") if name.strip()]
        unknown = sorted(set(names) - set(self._senders().by_name))
        if unknown:
            raise ValidationError(f"There is no channel named {', '.join(unknown)}.")
        if len(set(names)) != len(names):
            raise ValidationError("A channel is named twice.")
        return ",".join(names)

    def clean_template(self) -> str:
        """A template that asks only for what a greeting has."""
        name: str = self.cleaned_data["template"].strip()
        if not name:
            return name
        template = self._senders().templates.get(name)
        if template is None:
            raise ValidationError("There is no template of this name.")
        unknown = sorted(set(template.parameters) - PARAMETER_NAMES)
        if unknown:
            raise ValidationError(f"It asks for {', '.join(unknown)}, which a greeting does not have.")
        return name

    def clean_fallback_text(self) -> str:
        """One line, as a template's parameter may hold it."""
        text = clean(self.cleaned_data["fallback_text"])
        if len(text) < 8:
            raise ValidationError("Write a sentence.")
        return text

    def save(self, commit: bool = True) -> Any:
        """The row holds the names as a list."""
        self.instance.channels = self.cleaned_data["channel_names"].split(",")
        return super().save(commit=commit)

    def _senders(self) -> Senders:
        return senders_of(self.instance.organization_id)
