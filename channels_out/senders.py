"""Which number sends, how fast it may, and when it is passed over. Configuration is at most 2 s old (ADR 0032)."""

import logging
import threading
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cachetools import TTLCache, cached
from django.conf import settings
from django.db.models import Q

from channels_out.models import SENDABLE_KINDS, Channel, MessageTemplate
from channels_out.providers import PROVIDERS
from channels_out.providers.base import Account, Provider, Template
from swiftex import clock
from swiftex.coordination import breakers, windows
from swiftex.database import release_connection

logger = logging.getLogger(__name__)

CONFIGURATION_AGE_S = 2.0
# Why a sender is passed over now that may take the message in a moment.
PASSING_REASONS = frozenset({"channel_down", "rate_limited"})
# A burst may use up what a quarter of a second would have granted; providers count per second.
BURST_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A configured channel, ready to use. Secrets stay inside `account`, which does not print them."""

    id: UUID
    organization_id: UUID
    organization_slug: str
    name: str
    kind: str
    account: Account
    messages_per_second: int
    paused_until: datetime | None
    is_active: bool = True

    @property
    def key(self) -> str:
        """Its name in callback addresses."""
        return f"{self.organization_slug}.{self.name}"

    @property
    def provider(self) -> Provider:
        """How to speak to it; raises KeyError for a kind that can't send yet."""
        return PROVIDERS[self.kind]

    @property
    def callback_urls(self) -> list[str]:
        """What to enter at the provider, so that it reports to us."""
        if self.kind == "whatsapp_cloud":
            return [f"{settings.PUBLIC_URL}/webhooks/whatsapp/{self.key}"]
        if self.kind.startswith("twilio_"):
            endpoint = "sms" if self.kind == "twilio_sms" else "voice"
            return [f"{settings.PUBLIC_URL}/webhooks/twilio/{self.key}/{endpoint}"]
        return []

    @property
    def status_url(self) -> str:
        """Where Twilio reports what became of a message; empty for kinds that report elsewhere."""
        if self.kind != "twilio_sms":
            return ""
        return f"{settings.PUBLIC_URL}/webhooks/twilio/{self.key}/status"


@dataclass(frozen=True)
class Senders:
    """All of an organization's channels and templates."""

    by_name: Mapping[str, Sender]
    by_id: Mapping[UUID, Sender]
    templates: Mapping[str, Template] = field(default_factory=dict)


_of_organization: TTLCache[Hashable, Senders] = TTLCache(maxsize=2_000, ttl=CONFIGURATION_AGE_S)
_of_key: TTLCache[Hashable, Sender | None] = TTLCache(maxsize=10_000, ttl=CONFIGURATION_AGE_S)


@cached(_of_organization, lock=threading.Lock())
def senders_of(organization_id: UUID) -> Senders:
    """The organization's channels and templates, at most 2 s old."""
    rows = Channel.objects.filter(organization_id=organization_id).select_related("organization")
    found = [_sender(row) for row in rows]
    templates = MessageTemplate.objects.filter(organization_id=organization_id)
    return Senders(
        by_name={sender.name: sender for sender in found},
        by_id={sender.id: sender for sender in found},
        templates={template.name: template_of(template) for template in templates},
    )


@cached(_of_key, lock=threading.Lock())
def sender_by_key(key: str) -> Sender | None:
    """The channel of a callback address such as `acme.wa-main`, at most 2 s old; None when there is none."""
    slug, _, name = key.partition(".")
    row = (
        Channel.objects.filter(organization__slug=slug, organization__is_active=True, name=name)
        .select_related("organization")
        .first()
    )
    return None if row is None else _sender(row)


def sibling(sender: Sender, phone_number_id: str) -> Sender | None:
    """The channel of that number in the same organization and under the same app secret; None: not ours to handle."""
    if sender.account.settings.get("phone_number_id") == phone_number_id:
        return sender
    secret = sender.account.credentials.get("app_secret")
    for other in senders_of(sender.organization_id).by_name.values():
        is_number = bool(phone_number_id) and other.account.settings.get("phone_number_id") == phone_number_id
        if is_number and other.account.credentials.get("app_secret") == secret:
            return other
    return None


def by_ids(channel_ids: Iterable[UUID]) -> dict[UUID, Sender]:
    """These channels, of whichever organizations; those that are gone are left out."""
    found: dict[UUID, Sender] = {}
    missing = set(channel_ids)
    owners = Channel.objects.filter(pk__in=missing).values_list("organization_id", flat=True).distinct()
    for organization_id in owners:
        found |= {id_: sender for id_, sender in senders_of(organization_id).by_id.items() if id_ in missing}
    return found


def forget() -> None:
    """The next read in this process asks the database."""
    _of_organization.clear()
    _of_key.clear()


def template_of(row: MessageTemplate) -> Template:
    """The stored template as adapters take it."""
    return Template(
        name=row.name,
        language=row.language,
        category=row.category,
        parameter_format=row.parameter_format,
        parameters=tuple(row.parameters),
        body=row.body,
    )


def passed_over(sender: Sender, *, phone: str | None, template: Template | None, now: datetime) -> str | None:
    """Why this sender can't take the message now, or None. Marketing templates to +1 numbers are not delivered."""
    if sender.kind not in SENDABLE_KINDS:
        return "kind_not_sendable"
    if not sender.is_active:
        return "channel_off"
    if not phone:
        return "no_phone"
    if sender.kind == "whatsapp_cloud" and template and template.category == "marketing" and phone.startswith("+1"):
        return "marketing_not_delivered_there"
    if (sender.paused_until and sender.paused_until > now) or not breakers.allows(breaker_name(sender)):
        return "channel_down"
    return None


def take_token(sender: Sender) -> float:
    """0.0 when the sender may send one message now, otherwise the seconds after which it may. Never waits."""
    rate = sender.messages_per_second
    return windows.take_token(f"sender:{sender.id.hex}", rate_per_s=rate, burst=max(1.0, rate * BURST_S))


def breaker_name(sender: Sender) -> str:
    """The name of the sender's circuit breaker."""
    return f"sender:{sender.id.hex}"


def pause(sender: Sender, *, seconds: float, reason: str) -> None:
    """All processes pass the sender over for so long (from their next look at the configuration), this one at once."""
    until = clock.now() + timedelta(seconds=seconds)
    paused = Channel.objects.filter(Q(paused_until__isnull=True) | Q(paused_until__lt=until), pk=sender.id)
    paused.update(paused_until=until, paused_reason=reason)
    release_connection()
    forget()
    logger.error(
        "a channel is down and passed over",
        extra={"channel_id": str(sender.id), "reason": reason, "organization_id": str(sender.organization_id)},
    )


def resume(sender: Sender) -> None:
    """The sender is used again at once; whoever calls has seen it work."""
    Channel.objects.filter(pk=sender.id).update(paused_until=None, paused_reason="")
    breakers.succeeded(breaker_name(sender))
    forget()


def _sender(row: Channel) -> Sender:
    return Sender(
        id=row.id,
        organization_id=row.organization_id,
        organization_slug=row.organization.slug,
        name=row.name,
        kind=row.kind,
        account=Account(settings=row.settings, credentials=row.credentials or {}),
        messages_per_second=row.messages_per_second,
        paused_until=row.paused_until,
        is_active=row.is_active,
    )
