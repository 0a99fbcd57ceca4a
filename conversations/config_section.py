"""The sections `llm` and `greeting` of the configuration file."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from accounts.config_sections import (
    Change,
    ConfigModel,
    ConfigurationRefused,
    FunctionSection,
    Mistake,
    Name,
    PublicUrl,
    Secret,
    store,
)
from channels_out import senders
from conversations.engine.guard import clean
from conversations.engine.prompts import PARAMETER_NAMES
from conversations.models import GreetingSettings, LlmConnection

ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$")]
PromptText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=3000)]
FallbackText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=600)]


class LlmSection(ConfigModel):
    """The organization's language model."""

    provider: Literal["openai", "anthropic", "scripted"]
    base_url: PublicUrl | None = None
    api_key: Secret | None = None
    model: ShortText | None = None
    timeout_ms: int = Field(default=1100, ge=50, le=60_000)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    @model_validator(mode="after")
    def _says_which_model(self) -> Self:
        if self.provider != "scripted" and not self.model:
            raise ValueError("model must be named for this provider")
        return self


class GreetingSection(ConfigModel):
    """How the first message is written, and where it goes."""

    channels: list[Name] = Field(min_length=1, max_length=10)
    template: TemplateName | None = None
    prompt: PromptText | None = None
    fallback_text: FallbackText
    language: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=60)] = "English"
    max_chars: int = Field(default=300, ge=40, le=600)
    unknown_wait_s: int = Field(default=20, ge=1, le=600)
    max_age_s: int = Field(default=1800, ge=60, le=86_400)

    @model_validator(mode="after")
    def _fits_a_template_parameter(self) -> Self:
        if clean(self.fallback_text) != self.fallback_text:
            raise ValueError("fallback_text must be one line without tabs, double spaces or quotation marks around it")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("channels names one twice")
        return self


def check_llm(value: LlmSection, document: Mapping[str, Any]) -> Iterable[Mistake]:
    """A model that may take the whole budget would leave none for the channel."""
    organization = document.get("organization")
    budget_ms = getattr(organization, "first_message_budget_ms", None)
    if isinstance(budget_ms, int) and value.timeout_ms >= budget_ms:
        yield Mistake("llm.timeout_ms", f"must be below organization.first_message_budget_ms ({budget_ms})")


def check_greeting(value: GreetingSection, document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Channels and template are among those that the file defines, if it defines any, and the template fits."""
    channels = {channel.name: channel for channel in document.get("channels") or ()}
    templates = {template.name: template.parameters for template in document.get("templates") or ()}
    if channels:
        yield from _unknown_channels(value, channels)
    if templates:
        yield from _unfit_template(value, templates)


def _unknown_channels(value: GreetingSection, known: Container[str]) -> Iterator[Mistake]:
    for index, name in enumerate(value.channels):
        if name not in known:
            yield Mistake(f"greeting.channels[{index}]", "no channel of this name is known")


def _unfit_template(value: GreetingSection, known: Mapping[str, Iterable[str]]) -> Iterator[Mistake]:
    if value.template is None:
        return
    if value.template not in known:
        yield Mistake("greeting.template", "no template of this name is known")
        return
    for name in sorted(set(known[value.template]) - PARAMETER_NAMES):
        yield Mistake("greeting.template", f"its parameter {name} is none of {', '.join(sorted(PARAMETER_NAMES))}")


def apply_llm(organization_id: UUID, value: LlmSection) -> Sequence[Change]:
    """The organization's language model is as the file says."""
    values: dict[str, object] = {
        "provider": value.provider,
        "base_url": value.base_url or "",
        "model": value.model or "",
        "timeout_ms": value.timeout_ms,
        "max_tokens_field": value.max_tokens_field,
        "credentials": {"api_key": value.api_key} if value.api_key else {},
    }
    return [store(LlmConnection, path="llm", identity={"organization_id": organization_id}, values=values)]


def apply_greeting(organization_id: UUID, value: GreetingSection) -> Sequence[Change]:
    """The organization's greeting is as the file says; what the file did not define must exist already."""
    senders.forget()
    known = senders.senders_of(organization_id)
    templates = {name: template.parameters for name, template in known.templates.items()}
    mistakes = [*_unknown_channels(value, known.by_name), *_unfit_template(value, templates)]
    if mistakes:
        raise ConfigurationRefused(*mistakes)
    values: dict[str, object] = {
        "channels": list(value.channels),
        "template": value.template or "",
        "prompt": value.prompt or "",
        "fallback_text": value.fallback_text,
        "language": value.language,
        "max_chars": value.max_chars,
        "unknown_wait_s": value.unknown_wait_s,
        "max_age_s": value.max_age_s,
    }
    return [store(GreetingSettings, path="greeting", identity={"organization_id": organization_id}, values=values)]


SECTIONS = (
    FunctionSection(key="llm", shape=LlmSection, apply=apply_llm, check=check_llm),
    FunctionSection(key="greeting", shape=GreetingSection, apply=apply_greeting, check=check_greeting),
)
