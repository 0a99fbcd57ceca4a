"""Every read of messages, channels and syncs that other packages and the API need; each takes the organization."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from channels_out.models import Attempt, Channel, CrmSync, Message


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """How a lead's messages stand.  sync: waiting, synced, failed, or "" without a CRM."""

    outbound: int
    inbound: int
    last_status: str
    last_channel: str
    last_reason: str
    last_inbound_at: datetime | None
    sync: str
    remote_id: str


def messages_of(organization_id: UUID) -> "QuerySet[Message]":
    """The organization's messages with contact, lead, channel and attempts, unsorted."""
    attempts = Attempt.objects.select_related("channel").order_by("number")
    return (
        Message.objects.filter(organization_id=organization_id)
        .select_related("channel")
        .prefetch_related(Prefetch("attempts", queryset=attempts))
    )


def delivery_summary(*, organization_id: UUID, lead_id: UUID) -> DeliverySummary:
    """How the lead's messages and its sync stand; three statements."""
    messages = Message.objects.filter(organization_id=organization_id, lead_id=lead_id).select_related("channel")
    outbound = messages.filter(direction="out").order_by("-id")
    last = outbound.first()
    heard = messages.filter(direction="in").order_by("-received_at").values_list("received_at", flat=True)
    sync = CrmSync.objects.filter(organization_id=organization_id, lead_id=lead_id).first()
    return DeliverySummary(
        outbound=outbound.count(),
        inbound=heard.count(),
        last_status=last.status if last else "",
        last_channel=str(last.channel or "") if last else "",
        last_reason=last.failure_reason if last else "",
        last_inbound_at=heard.first(),
        sync=sync.state if sync else "",
        remote_id=sync.remote_id if sync else "",
    )


def organizations_with_channel(name: str) -> list[UUID]:
    """Ids of the organizations that have a channel of this name."""
    return list(Channel.objects.filter(name=name).values_list("organization_id", flat=True))


def channel_names(organization_id: UUID) -> list[str]:
    """The names of the organization's active channels, sorted."""
    rows = Channel.objects.filter(organization_id=organization_id, is_active=True)
    return sorted(rows.values_list("name", flat=True))
