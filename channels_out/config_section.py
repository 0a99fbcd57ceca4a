"""The sections `channels`, `templates`, `notify` and `crm` of the configuration file."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from accounts.config_sections import (
    Change,
    ConfigModel,
    FunctionSection,
    Mistake,
    Name,
    PublicUrl,
    Secret,
    kept,
    store,
)
from channels_out import senders
from channels_out.models import Channel, CrmConnection, MessageTemplate, NotifySettings

Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,30}$")]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
EmailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]+\.[^@\s]{2,63}$", max_length=254)]
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$")]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Speed = Annotated[int, Field(ge=1, le=10_000)]
_VARIABLE = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}")


class ChannelConfig(ConfigModel):
    """What every kind of channel says.  secret_names: fields that are stored encrypted."""

    secret_names: ClassVar[frozenset[str]] = frozenset()
    default_speed: ClassVar[int] = 10

    name: Name
    messages_per_second: Speed | None = None
    is_active: bool = True


class WhatsAppConfig(ChannelConfig):
    """A number on the WhatsApp Cloud API."""

    secret_names = frozenset({"access_token", "app_secret", "verify_token"})
    default_speed = 80

    kind: Literal["whatsapp_cloud"]
    base_url: PublicUrl = "https://graph.facebook.com"
    api_version: Annotated[str, StringConstraints(pattern=r"^v[0-9]{1,3}\.[0-9]{1,2}$")] = "v23.0"
    phone_number_id: Digits
    waba_id: Digits
    display_phone_number: PhoneNumber | None = None
    access_token: Secret
    app_secret: Secret
    verify_token: Secret


class TwilioConfig(ChannelConfig):
    """What both kinds of Twilio channels say."""

    secret_names = frozenset({"auth_token"})

    base_url: PublicUrl = "https://api.twilio.com"
    account_sid: Annotated[str, StringConstraints(pattern=r"^AC[0-9A-Za-z]{1,60}$")]
    auth_token: Secret
    from_number: PhoneNumber | None = None


class TwilioSmsConfig(TwilioConfig):
    """An SMS sender: one number, or a messaging service."""

    kind: Literal["twilio_sms"]
    messaging_service_sid: Annotated[str, StringConstraints(pattern=r"^MG[0-9A-Za-z]{1,60}$")] | None = None

    @model_validator(mode="after")
    def _has_one_sender(self) -> Self:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError("give either from_number or messaging_service_sid")
        return self


class TwilioVoiceConfig(TwilioConfig):
    """A number that calls; kept for later, and passed over when sending."""

    kind: Literal["twilio_voice"]


class EmailConfig(ChannelConfig):
    """An address that writes; kept for later, and passed over when sending."""

    kind: Literal["email"]
    from_email: EmailAddress


AnyChannel = Annotated[WhatsAppConfig | TwilioSmsConfig | TwilioVoiceConfig | EmailConfig, Field(discriminator="kind")]


class TemplateConfig(ConfigModel):
    """A text that the provider approved for a first contact."""

    name: TemplateName
    kind: Literal["whatsapp_cloud"] = "whatsapp_cloud"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")] = "en_US"
    category: Literal["utility", "marketing", "authentication"] = "utility"
    parameter_format: Literal["named", "positional"] = "named"
    parameters: list[ParameterName] = Field(default_factory=list, max_length=20)
    body: Annotated[str, StringConstraints(min_length=1, max_length=1024)]

    @model_validator(mode="after")
    def _body_fits_parameters(self) -> Self:
        wanted = [str(place + 1) for place in range(len(self.parameters))]
        expected = set(self.parameters if self.parameter_format == "named" else wanted)
        if set(_VARIABLE.findall(self.body)) != expected:
            raise ValueError("the variables of body are not those that parameters and parameter_format say")
        text = self.body.strip()
        if text.startswith("{{") or text.endswith("}}"):
            raise ValueError("body must neither begin nor end with a variable")
        return self


class NotifyConfig(ConfigModel):
    """Who hears of new, answered and stuck leads."""

    email: EmailAddress | None = None
    webhook_url: PublicUrl | None = None
    webhook_secret: Secret | None = None

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Self:
        if self.email is None and self.webhook_url is None:
            raise ValueError("give email or webhook_url")
        return self


class CrmConfig(ConfigModel):
    """Where leads are synced to."""

    kind: Literal["http"]
    base_url: PublicUrl
    secret: Secret


def check_channels(value: Sequence[ChannelConfig], document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Each channel's name stands once."""
    return _repeated("channels", [channel.name for channel in value])


def check_templates(value: Sequence[TemplateConfig], document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Each template's name stands once."""
    return _repeated("templates", [template.name for template in value])


def apply_channels(organization_id: UUID, value: Sequence[ChannelConfig]) -> Sequence[Change]:
    """Each named channel is as the file says; others stay, and are reported."""
    changes = [_applied_channel(organization_id, channel) for channel in value]
    names = Channel.objects.filter(organization_id=organization_id).values_list("name", flat=True)
    senders.forget()
    return [*changes, *kept([f"channels.{name}" for name in names], [change.path for change in changes])]


def apply_templates(organization_id: UUID, value: Sequence[TemplateConfig]) -> Sequence[Change]:
    """Each named template is as the file says; others stay, and are reported."""
    changes = [
        store(
            MessageTemplate,
            path=f"templates.{template.name}",
            identity={"organization_id": organization_id, "name": template.name},
            values=template.model_dump(exclude={"name"}),
        )
        for template in value
    ]
    names = MessageTemplate.objects.filter(organization_id=organization_id).values_list("name", flat=True)
    senders.forget()
    return [*changes, *kept([f"templates.{name}" for name in names], [change.path for change in changes])]


def apply_notify(organization_id: UUID, value: NotifyConfig) -> Sequence[Change]:
    """Notices go where the file says."""
    values: dict[str, object] = {
        "email": value.email or "",
        "webhook_url": value.webhook_url or "",
        "credentials": {"secret": value.webhook_secret} if value.webhook_secret else None,
    }
    return [store(NotifySettings, path="notify", identity={"organization_id": organization_id}, values=values)]


def apply_crm(organization_id: UUID, value: CrmConfig) -> Sequence[Change]:
    """Leads are synced where the file says."""
    values: dict[str, object] = {
        "kind": value.kind,
        "base_url": value.base_url,
        "credentials": {"secret": value.secret},
    }
    return [store(CrmConnection, path="crm", identity={"organization_id": organization_id}, values=values)]


def _applied_channel(organization_id: UUID, channel: ChannelConfig) -> Change:
    given = channel.model_dump(exclude_none=True)
    common = {"name", "kind", "messages_per_second", "is_active"}
    return store(
        Channel,
        path=f"channels.{channel.name}",
        identity={"organization_id": organization_id, "name": channel.name},
        values={
            "kind": given["kind"],
            "messages_per_second": channel.messages_per_second or channel.default_speed,
            "is_active": channel.is_active,
            "settings": {key: given[key] for key in given if key not in common | channel.secret_names},
            "credentials": {key: given[key] for key in given if key in channel.secret_names},
        },
    )


def _repeated(section: str, names: Sequence[str]) -> Iterable[Mistake]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Mistake(f"{section}[{index}].name", "is the name of an earlier one")


SECTIONS = (
    FunctionSection(key="channels", shape=list[AnyChannel], apply=apply_channels, check=check_channels),
    FunctionSection(key="templates", shape=list[TemplateConfig], apply=apply_templates, check=check_templates),
    FunctionSection(key="notify", shape=NotifyConfig, apply=apply_notify),
    FunctionSection(key="crm", shape=CrmConfig, apply=apply_crm),
)
