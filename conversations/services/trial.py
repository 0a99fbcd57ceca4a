"""Trying the language model without a lead: does it answer, how fast, and may the answer be sent?"""

from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from conversations.engine.breaker import Breaker
from conversations.engine.guard import judge
from conversations.engine.prompts import LeadFacts, user_text
from conversations.llm import Ask
from conversations.selectors import forget_cached_plans, greeting_plan, prompt_template
from conversations.services.race import ask_in_time


@dataclass(frozen=True, slots=True)
class Trial:
    """The text that would be sent, or the reason why none would, and how long it took."""

    text: str | None
    reason: str | None
    took_ms: int


def try_model(*, organization_id: UUID) -> Trial:
    """The model was asked once, within its own limit, for a greeting to an invented person. Nothing is sent.

    reason "not_configured": the organization has no greeting or no model.
    """
    forget_cached_plans()
    plan = greeting_plan(organization_id)
    if plan is None or plan.model is None:
        return Trial(None, "not_configured", 0)
    facts = LeadFacts(first_name="Kim", message="Please tell me more.", source="trial")
    ask = Ask(system=plan.system, user=user_text(prompt_template("greeting_user.txt"), facts))
    began_s = monotonic()
    lap = ask_in_time(plan.model, ask, limit_s=plan.timeout_s, breaker=Breaker())
    took_ms = round((monotonic() - began_s) * 1000)
    if lap.answer is None:
        return Trial(None, lap.reason, took_ms)
    verdict = judge(lap.answer.text, finish_reason=lap.answer.finish_reason, rules=plan.rules)
    return Trial(verdict.text, verdict.reason, took_ms)
