"""The first message: written by the model if it is in time, by the organization if it is not, and handed on."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db import transaction

from channels_out.services import DeliveryOrder, deliver
from channels_out.threads import is_message_stored
from conversations.engine.budget import model_limit_s
from conversations.engine.guard import judge
from conversations.engine.prompts import LeadFacts, sendable_name, user_text
from conversations.llm import Ask
from conversations.selectors import GreetingPlan, greeting_plan, prompt_template
from conversations.services.race import ask_in_time, breaker_of
from conversations.services.threads import open_conversation
from leads.choices import GreetingState
from leads.greeting_state import mark_greeting
from leads.selectors import LeadForGreeting, lead_for_greeting
from routing.events import NewEvent, record
from routing.jobs import RunningJob, current_job, finish_here
from swiftex.ids import public_id
from swiftex.observability import metrics

OBLIGATION = "greeting"


@dataclass(frozen=True, slots=True)
class Written:
    """The line to send, who wrote it (model or fallback), why it is the fallback, and when the model answered."""

    text: str
    source: str
    reason: str | None = None
    model_answered_at: datetime | None = None


def greet_lead(*, organization_id: UUID, lead_id: UUID, now: datetime) -> None:
    """The lead's first message is with a channel, or its end is written down: suppressed, failed, or settled later.

    A second call finds the greeting done, or continues the order with the words stored by the first: the model is not
    asked again for them.  Raises what `deliver` raises when the turn must be taken later.
    """
    begun_s = monotonic()
    lead = lead_for_greeting(organization_id=organization_id, lead_id=lead_id)
    if lead is None or lead.greeting_state != GreetingState.PENDING:
        return
    plan = greeting_plan(organization_id)
    if plan is None:
        _suppress(lead, reason="not_configured", now=now)
        return
    job = current_job()
    conversation_id = None
    if lead.refusal is None:
        conversation_id = open_conversation(
            organization_id=organization_id, contact_id=lead.contact_id, lead_id=lead_id, outbound_at=now
        )
    remaining_s = (lead.first_message_due_at - now).total_seconds() - (monotonic() - begun_s)
    written = _written(lead, plan, job=job, remaining_s=remaining_s, now=now)
    deliver(_order(lead, plan, written, conversation_id=conversation_id, job=job))


def write_line(lead: LeadForGreeting, plan: GreetingPlan, *, remaining_s: float) -> Written:
    """The model's line when it came in time and passed the guard, otherwise the fallback with the reason.

    remaining_s: what is left until the message is due with the channel.
    """
    if plan.model is None:
        return Written(plan.fallback_text, "fallback", "no_model")
    limit_s = model_limit_s(
        remaining_s=remaining_s, reserve_s=settings.SWIFTEX_CHANNEL_RESERVE_MS / 1000, timeout_s=plan.timeout_s
    )
    ask = Ask(
        system=plan.system,
        user=user_text(prompt_template("greeting_user.txt"), _facts_of(lead)),
        max_tokens=plan.rules.max_chars,  # no script needs more than about a token a character
    )
    lap = ask_in_time(plan.model, ask, limit_s=limit_s, breaker=breaker_of(lead.organization_id))
    if lap.answer is None:
        return Written(plan.fallback_text, "fallback", lap.reason)
    verdict = judge(lap.answer.text, finish_reason=lap.answer.finish_reason, rules=plan.rules)
    if verdict.text is None:
        return Written(plan.fallback_text, "fallback", verdict.reason, lap.answered_at)
    return Written(verdict.text, "model", None, lap.answered_at)


def _written(
    lead: LeadForGreeting, plan: GreetingPlan, *, job: RunningJob | None, remaining_s: float, now: datetime
) -> Written:
    if lead.refusal is not None or (now - lead.asked_at).total_seconds() > plan.max_age_s:
        return Written(plan.fallback_text, "fallback", "not_asked")  # delivery suppresses it
    if _is_stored_already(lead, job):
        return Written(plan.fallback_text, "fallback", "stored_before")  # delivery sends the stored words
    written = write_line(lead, plan, remaining_s=remaining_s)
    metrics.greeting_text(source=written.source, reason=written.reason or "")
    return written


def _is_stored_already(lead: LeadForGreeting, job: RunningJob | None) -> bool:
    """True when an earlier turn of this job stored the message; a first turn is not worth the statement."""
    if job is None or (job.attempt <= 1 and job.available_at <= job.created_at):
        return False
    return is_message_stored(organization_id=lead.organization_id, obligation_key=lead.obligation_key)


def _order(
    lead: LeadForGreeting,
    plan: GreetingPlan,
    written: Written,
    *,
    conversation_id: UUID | None,
    job: RunningJob | None,
) -> DeliveryOrder:
    first_name = sendable_name(lead.first_name or lead.name.split(" ", 1)[0])
    return DeliveryOrder(
        organization_id=lead.organization_id,
        obligation=OBLIGATION,
        obligation_key=lead.obligation_key,
        lead_id=lead.lead_id,
        contact_id=lead.contact_id,
        conversation_id=conversation_id,
        channel_names=lead.channel_order or plan.channel_names,
        phone=lead.phone or None,
        email=lead.email or None,
        template_name=plan.template_name,
        text=written.text,
        parameters={
            "first_name": first_name,
            "name": sendable_name(lead.name),
            "organization": lead.organization_name,
            "ai_line": written.text,
        },
        text_source=written.source,
        text_reason=written.reason,
        unknown_wait_s=plan.unknown_wait_s,
        max_age_s=plan.max_age_s,
        deadline_at=lead.first_message_due_at,
        received_at=lead.asked_at,
        dispatched_at=job.dispatched_at if job else None,
        started_at=job.started_at if job else None,
        model_answered_at=written.model_answered_at,
    )


def _facts_of(lead: LeadForGreeting) -> LeadFacts:
    return LeadFacts(
        first_name=lead.first_name,
        source=lead.source_key,
        campaign=lead.campaign,
        message=lead.message,
        region=lead.region,
        attributes=lead.attributes,
    )


@transaction.atomic
def _suppress(lead: LeadForGreeting, *, reason: str, now: datetime) -> None:
    """The lead shows that it was not greeted and why; the fact and the state are one commit."""
    marked = mark_greeting(
        organization_id=lead.organization_id,
        lead_id=lead.lead_id,
        state=GreetingState.SUPPRESSED,
        reason=reason,
        at=now,
    )
    if marked:
        record(
            NewEvent(
                organization_id=lead.organization_id,
                type="message.suppressed",
                subject=public_id("lead", lead.lead_id),
                data={"message_id": None, "lead_id": str(lead.lead_id), "obligation": OBLIGATION, "reason": reason},
                correlation_id=lead.lead_id,
            )
        )
    finish_here()
