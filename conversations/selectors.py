"""Every read of conversations and of how an organization greets."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from cachetools import TTLCache, cached
from django.conf import settings
from django.db.models import QuerySet

from accounts.selectors import organization_by_id
from conversations.engine.guard import GuardRules, dominant_script
from conversations.engine.prompts import CANARY, FENCE, system_text
from conversations.llm import Model, anthropic, model_of, openai
from conversations.models import Conversation, GreetingSettings, LlmConnection, LlmProvider

PLAN_CACHE_S = 2.0
DEFAULT_INSTRUCTION = "One warm, concrete sentence that says help is on its way."
_plans: TTLCache[Hashable, "GreetingPlan | None"] = TTLCache(maxsize=2_000, ttl=PLAN_CACHE_S)
_plans_lock = threading.Lock()
_DEFAULT_URLS = {LlmProvider.OPENAI: openai.DEFAULT_BASE_URL, LlmProvider.ANTHROPIC: anthropic.DEFAULT_BASE_URL}


@dataclass(frozen=True, slots=True)
class GreetingPlan:
    """How one organization greets, ready for use.

    model: None when none is configured.  system: the trusted half of the prompt.  rules: what an answer must keep to.
    """

    channel_names: tuple[str, ...]
    template_name: str | None
    fallback_text: str
    unknown_wait_s: float
    max_age_s: float
    timeout_s: float
    system: str = field(repr=False)
    rules: GuardRules = field(repr=False)
    model: Model | None = field(repr=False, default=None)


@cached(_plans, lock=_plans_lock)
def greeting_plan(organization_id: UUID) -> GreetingPlan | None:
    """The organization's plan, at most 2 s old; None when it has not said how it greets."""
    greeting = GreetingSettings.objects.filter(organization_id=organization_id).first()
    if greeting is None:
        return None
    llm = LlmConnection.objects.filter(organization_id=organization_id).first()
    system = system_text(
        prompt_template("greeting_system.txt"),
        organization=organization_by_id(organization_id).name,
        instruction=greeting.prompt or DEFAULT_INSTRUCTION,
        language=greeting.language,
        max_chars=greeting.max_chars,
    )
    return GreetingPlan(
        channel_names=tuple(greeting.channels),
        template_name=greeting.template or None,
        fallback_text=greeting.fallback_text,
        unknown_wait_s=float(greeting.unknown_wait_s),
        max_age_s=float(greeting.max_age_s),
        timeout_s=llm.timeout_ms / 1000 if llm else 0.0,
        system=system,
        # What a person approved tells in which writing the organization speaks.
        rules=GuardRules(
            max_chars=greeting.max_chars,
            script=dominant_script(greeting.fallback_text),
            canaries=(CANARY, FENCE),
            instructions=system,
        ),
        model=_model(llm) if llm else None,
    )


def forget_cached_plans() -> None:
    """The next greeting in this process reads its organization's plan from the database."""
    with _plans_lock:
        _plans.clear()


@lru_cache(maxsize=8)
def prompt_template(name: str) -> str:
    """The text of a prompt in templates/prompts/, read once."""
    return (settings.BASE_DIR / "templates" / "prompts" / name).read_text(encoding="utf-8")


def conversations_of(organization_id: UUID) -> "QuerySet[Conversation]":
    """The organization's conversations, unsorted."""
    return Conversation.objects.filter(organization_id=organization_id)


def _model(llm: LlmConnection) -> Model:
    provider = LlmProvider(llm.provider)
    api_key = llm.credentials.get("api_key") if llm.credentials else None
    return model_of(
        provider.value,
        base_url=llm.base_url or _DEFAULT_URLS.get(provider, ""),
        api_key=str(api_key or ""),
        model=llm.model,
        max_tokens_field=llm.max_tokens_field,
    )
