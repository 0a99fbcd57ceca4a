"""One notice for a burst: what is new, who answered and what is stuck, since the last notice."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string

from accounts.selectors import organization_by_id
from channels_out.models import Message, NotifySettings
from channels_out.webhooks.signing import signed_headers
from leads.selectors import leads_of
from routing.jobs import NewJob, enqueue, finish_here
from swiftex import clock
from swiftex.database import fetch_one, release_connection
from swiftex.failures import TemporaryFailure
from swiftex.http import HttpFailure, HttpRequest, perform
from swiftex.ids import public_id

logger = logging.getLogger(__name__)

LISTED = 50
_NAMELESS = "(no name)"
# A fact that commits while a notice is written finds the obligation open and adds none; the trailing look catches it.
LOOK_AGAIN_S = 5.0
# What is younger may still be in a transaction that has not committed, and waits for the next notice.
_SETTLE_S = 2.0
_HOOK_S = 10.0


@dataclass(frozen=True)
class Item:
    """One line of a notice."""

    kind: str
    lead_id: UUID | None
    at: datetime
    name: str
    detail: str
    owner_email: str = ""

    @property
    def public_lead_id(self) -> str:
        """As in addresses and the API."""
        return public_id("lead", self.lead_id) if self.lead_id else ""

    @property
    def url(self) -> str:
        """The lead in the admin."""
        return f"{settings.PUBLIC_URL}/admin/leads/lead/{self.lead_id}/change/" if self.lead_id else ""


@dataclass(frozen=True)
class News:
    """What happened in (since, until]. Lists hold at most LISTED lines; counts are whole."""

    since: datetime
    until: datetime
    leads: Sequence[Item]
    answers: Sequence[Item]
    stuck: Sequence[Item]
    lead_count: int
    answer_count: int
    stuck_count: int
    has_more_to_come: bool

    @property
    def items(self) -> list[Item]:
        """Every line."""
        return [*self.leads, *self.answers, *self.stuck]

    def of_owner(self, email: str) -> "News":
        """What concerns the leads of one owner; counts are of the lines listed."""
        leads, answers, stuck = (
            [item for item in items if item.owner_email == email] for items in (self.leads, self.answers, self.stuck)
        )
        return replace(
            self, leads=leads, answers=answers, stuck=stuck, lead_count=len(leads), answer_count=len(answers),
            stuck_count=len(stuck),
        )  # fmt: skip

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to tell."""
        return not (self.lead_count or self.answer_count or self.stuck_count)


def send_notice(*, organization_id: UUID) -> None:
    """The configured address and webhook heard of everything until two seconds ago, owners of what is theirs.

    Nothing is sent when nothing happened or nobody is configured.  Raises TemporaryFailure when the mail server or the
    webhook did not take it; a repeat may then tell one of the two twice, and never leaves anything out.
    """
    wanted = NotifySettings.objects.filter(organization_id=organization_id, is_active=True).first()
    if wanted is None or not (wanted.email or wanted.webhook_url):
        return
    news = _news(organization_id, wanted.told_until)
    if news.is_empty:
        if news.has_more_to_come:
            _look_again(organization_id)
        return
    name = organization_by_id(organization_id).name
    if wanted.email:
        _mail(wanted.email, name, news)
    for email in sorted({item.owner_email for item in news.items} - {"", wanted.email}):
        _mail(email, name, news.of_owner(email))
    if wanted.webhook_url:
        _post(wanted, news)
    with transaction.atomic():
        NotifySettings.objects.filter(pk=wanted.pk).update(told_until=news.until)
        _look_again(organization_id)


def _look_again(organization_id: UUID) -> None:
    """This job is done, and the same one is owed in a few seconds."""
    with transaction.atomic():
        finish_here()
        enqueue(
            NewJob(
                organization_id=organization_id,
                kind="notify",
                key="notify",
                payload={"organization_id": str(organization_id)},
                delay_s=LOOK_AGAIN_S,
            )
        )


def _news(organization_id: UUID, since: datetime) -> News:
    row = fetch_one("SELECT clock_timestamp() - %s * interval '1 second'", [_SETTLE_S])
    until: datetime = row[0] if row else clock.now()
    later = {"received_at__gt": since}
    leads = leads_of(organization_id).filter(received_at__lte=until, **later).exclude(status="spam")
    messages = Message.objects.filter(organization_id=organization_id).select_related("contact", "lead__owner")
    heard = messages.filter(direction="in", created_at__gt=since)
    ended = messages.filter(status__in=["failed", "unresolved"], ended_at__gt=since)
    answers, stuck = heard.filter(created_at__lte=until), ended.filter(ended_at__lte=until)
    return News(
        since=since,
        until=until,
        leads=[
            Item("lead", lead.id, lead.received_at, lead.contact.name or _NAMELESS, lead.source.key, _email(lead.owner))
            for lead in leads.select_related("owner").order_by("id")[:LISTED]
        ],
        answers=[_item("answer", message, message.content_type) for message in answers.order_by("id")[:LISTED]],
        stuck=[_item("stuck", message, message.failure_reason) for message in stuck.order_by("id")[:LISTED]],
        lead_count=leads.count(),
        answer_count=answers.count(),
        stuck_count=stuck.count(),
        has_more_to_come=leads_of(organization_id).filter(**later).exists() or heard.exists() or ended.exists(),
    )


def _item(kind: str, message: Message, detail: str) -> Item:
    name = getattr(message.contact, "name", "") or _NAMELESS
    owner = getattr(message.lead, "owner", None)
    return Item(kind, message.lead_id, message.created_at, name, detail, _email(owner))


def _email(owner: object) -> str:
    return str(getattr(owner, "email", "") or "")


def _mail(to: str, organization_name: str, news: News) -> None:
    context = {"organization": organization_name, "news": news, "public_url": settings.PUBLIC_URL}
    subject = render_to_string("messages/notice_subject.txt", context).strip()
    body = render_to_string("messages/notice.txt", context)
    # A line break in a name must not become a header.
    message = EmailMessage(subject=" ".join(subject.split()), body=body, to=[to])
    message.extra_headers = {"Auto-Submitted": "auto-generated"}
    release_connection()
    try:
        message.send()
    except OSError:  # smtplib's own errors are OSErrors as well
        logger.warning("the mail server did not take a notice")
        raise TemporaryFailure("mail_not_sent") from None


def _post(wanted: NotifySettings, news: News) -> None:
    """The same news without names, for a machine; signed when a secret is set."""
    body = orjson.dumps(
        {
            "type": "notice.created",
            "timestamp": news.until.isoformat(),
            "data": {
                "since": news.since.isoformat(),
                "leads": [_line(item) for item in news.leads],
                "answers": [_line(item) for item in news.answers],
                "stuck": [_line(item) | {"reason": item.detail} for item in news.stuck],
                "lead_count": news.lead_count,
                "answer_count": news.answer_count,
                "stuck_count": news.stuck_count,
            },
        }
    )
    headers = {"Content-Type": "application/json"}
    credentials: dict[str, Any] = dict(wanted.credentials or {})
    secret = str(credentials.get("secret") or "")
    if secret:
        webhook_id = f"notice_{wanted.id.hex}_{int(news.until.timestamp() * 1000)}"
        timestamp_s = int(clock.now().timestamp())
        headers |= signed_headers(secrets=[secret], webhook_id=webhook_id, timestamp_s=timestamp_s, body=body)
    try:
        answer = perform(HttpRequest("POST", wanted.webhook_url, headers, body), deadline_s=_HOOK_S)
    except HttpFailure as failure:
        raise TemporaryFailure(failure.reason) from None
    if not 200 <= answer.status < 300:
        raise TemporaryFailure(f"http_{answer.status}")


def _line(item: Item) -> dict[str, str]:
    return {"lead_id": item.public_lead_id, "at": item.at.isoformat(), "url": item.url}
