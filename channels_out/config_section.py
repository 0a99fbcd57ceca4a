"""The sections `channels`, `templates`, `crm` and `notify` of the configuration file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from accounts.config_sections import Change, ConfigModel, FunctionSection, Mistake, Name, PublicUrl, Secret, kept, store
from channels_out import senders
from channels_out.models import Channel, CrmConnection, MessageTemplate, NotifySettings
from channels_out.services.syncing import forget_cached_connections
from channels_out.template_rules import template_problem


def _email(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError:
        raise ValueError("is not an e-mail address") from None
    return value


Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]
Digits = Annotated[str, StringConstraints(pattern=r"\A[0-9]{1,30}\z")]
E164 = Annotated[str, StringConstraints(pattern=r"\A\+[1-9][0-9]{6,14}\z")]
Speed = Annotated[int, Field(ge=1, le=10_000)]
ParameterName = Annotated[str, StringConstraints(pattern=r"\A[a-z][a-z0-9_]{0,39}\z")]


class WhatsAppConfig(ConfigModel):
    """A WhatsApp Business number at Meta."""

    name: Name
    kind: Literal["whatsapp_cloud"]
    base_url: PublicUrl = "https://graph.facebook.com"
    api_version: Annotated[str, StringConstraints(pattern=r"\Av[0-9]{1,3}\.[0-9]{1,2}\z")] = "v23.0"
    phone_number_id: Digits
    waba_id: Digits
    display_phone_number: E164 | None = None
    access_token: Secret
    app_secret: Secret
    previous_app_secret: Secret | None = None
    verify_token: Secret
    messages_per_second: Speed = 80
    is_active: bool = True


class TwilioConfig(ConfigModel):
    """A number or messaging service at Twilio."""

    name: Name
    kind: Literal["twilio_sms", "twilio_voice"]
    base_url: PublicUrl = "https://api.twilio.com"
    account_sid: Annotated[str, StringConstraints(min_length=2, max_length=64)]
    auth_token: Secret
    previous_auth_token: Secret | None = None
    from_number: E164 | None = None
    messaging_service_sid: Annotated[str, StringConstraints(min_length=2, max_length=64)] | None = None
    messages_per_second: Speed = 75
    is_active: bool = True

    @model_validator(mode="after")
    def _has_one_sender(self) -> "TwilioConfig":
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError("name either from_number or messaging_service_sid")
        return self


class EmailConfig(ConfigModel):
    """An address to write from."""

    name: Name
    kind: Literal["email"]
    from_email: Email
    messages_per_second: Speed = 10
    is_active: bool = True


ChannelConfig = Annotated[WhatsAppConfig | TwilioConfig | EmailConfig, Field(discriminator="kind")]


class TemplateConfig(ConfigModel):
    """A text that the provider approved."""

    name: Annotated[str, StringConstraints(pattern=r"\A[a-z0-9_]{1,100}\z")]
    kind: Literal["whatsapp_cloud"] = "whatsapp_cloud"
    language: Annotated[str, StringConstraints(pattern=r"\A[a-z]{2,3}(_[A-Za-z0-9]{2,8})*\z")]
    category: Literal["utility", "marketing", "authentication"] = "utility"
    parameter_format: Literal["named", "positional"] = "named"
    parameters: Annotated[list[ParameterName], Field(max_length=20)] = Field(default_factory=list)
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)]

    @model_validator(mode="after")
    def _body_fits_parameters(self) -> "TemplateConfig":
        problem = template_problem(self.body, self.parameters, self.parameter_format)
        if problem:
            raise ValueError(problem)
        return self


class CrmConfig(ConfigModel):
    """Where leads are synced to."""

    kind: Literal["http", "hubspot", "salesforce"]
    base_url: PublicUrl
    secret: Secret | None = None
    previous_secret: Secret | None = None
    is_active: bool = True

    @model_validator(mode="after")
    def _is_supported(self) -> "CrmConfig":
        if self.kind != "http":
            raise ValueError("only the kind http can sync so far")
        return self


class NotifyConfig(ConfigModel):
    """Who hears of new, answered and stuck leads."""

    email: Email | None = None
    webhook_url: PublicUrl | None = None
    webhook_secret: Secret | None = None
    is_active: bool = True


def check_channels(value: Sequence[Any], document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Each name and each number stands once."""
    seen: set[str] = set()
    numbers: set[str] = set()
    for index, channel in enumerate(value):
        if channel.name in seen:
            yield Mistake(f"channels[{index}].name", "is the name of an earlier channel")
        seen.add(channel.name)
        number = getattr(channel, "phone_number_id", None)
        if number is not None and number in numbers:
            yield Mistake(f"channels[{index}].phone_number_id", "is the number of an earlier channel")
        numbers.add(number or "")


def check_templates(value: Sequence[TemplateConfig], document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Each name stands once."""
    seen: set[str] = set()
    for index, template in enumerate(value):
        if template.name in seen:
            yield Mistake(f"templates[{index}].name", "is the name of an earlier template")
        seen.add(template.name)


SECRETS = ("access_token", "app_secret", "previous_app_secret", "verify_token", "auth_token", "previous_auth_token")
_COLUMNS = ("name", "kind", "messages_per_second", "is_active")


def apply_channels(organization_id: UUID, value: Sequence[Any]) -> Sequence[Change]:
    """Each named channel is as the file says; channels that the file does not name stay, and are reported."""
    changes = []
    for channel in value:
        given = channel.model_dump(exclude_none=True)
        values = {
            "kind": given["kind"],
            "messages_per_second": given["messages_per_second"],
            "is_active": given["is_active"],
            "settings": {name: given[name] for name in given if name not in (*SECRETS, *_COLUMNS)},
            "credentials": {name: given[name] for name in given if name in SECRETS},
        }
        identity = {"organization_id": organization_id, "name": channel.name}
        changes.append(store(Channel, path=f"channels.{channel.name}", identity=identity, values=values))
    existing = Channel.objects.filter(organization_id=organization_id).values_list("name", flat=True)
    senders.forget()
    return [*changes, *kept([f"channels.{name}" for name in existing], [change.path for change in changes])]


def apply_templates(organization_id: UUID, value: Sequence[TemplateConfig]) -> Sequence[Change]:
    """Each named template is as the file says; templates that the file does not name stay, and are reported."""
    changes = [
        store(
            MessageTemplate,
            path=f"templates.{template.name}",
            identity={"organization_id": organization_id, "name": template.name},
            values=template.model_dump(exclude={"name"}),
        )
        for template in value
    ]
    existing = MessageTemplate.objects.filter(organization_id=organization_id).values_list("name", flat=True)
    senders.forget()
    return [*changes, *kept([f"templates.{name}" for name in existing], [change.path for change in changes])]


def apply_crm(organization_id: UUID, value: CrmConfig) -> Sequence[Change]:
    """The organization's CRM is as the file says."""
    secrets = {name: found for name in ("secret", "previous_secret") if (found := getattr(value, name))}
    values = {"kind": value.kind, "base_url": value.base_url, "is_active": value.is_active, "credentials": secrets}
    change = store(CrmConnection, path="crm", identity={"organization_id": organization_id}, values=values)
    forget_cached_connections()
    return [change]


def apply_notify(organization_id: UUID, value: NotifyConfig) -> Sequence[Change]:
    """Who hears of leads is as the file says."""
    values = {
        "email": value.email or "",
        "webhook_url": value.webhook_url or "",
        "is_active": value.is_active,
        "credentials": {"secret": value.webhook_secret} if value.webhook_secret else {},
    }
    return [store(NotifySettings, path="notify", identity={"organization_id": organization_id}, values=values)]


SECTIONS = (
    FunctionSection(key="channels", shape=list[ChannelConfig], apply=apply_channels, check=check_channels),
    FunctionSection(key="templates", shape=list[TemplateConfig], apply=apply_templates, check=check_templates),
    FunctionSection(key="crm", shape=CrmConfig, apply=apply_crm),
    FunctionSection(key="notify", shape=NotifyConfig, apply=apply_notify),
)
