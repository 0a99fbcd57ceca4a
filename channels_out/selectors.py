"""Every read of messages, channels and syncs that other packages and the API need; each takes the organization."""

from uuid import UUID

from django.db.models import Prefetch, QuerySet

from channels_out.models import Attempt, Channel, Message


def messages_of(organization_id: UUID) -> "QuerySet[Message]":
    """The organization's messages with contact, lead, channel and attempts, unsorted."""
    attempts = Attempt.objects.select_related("channel").order_by("number")
    return (
        Message.objects.filter(organization_id=organization_id)
        .select_related("channel")
        .prefetch_related(Prefetch("attempts", queryset=attempts))
    )


def organizations_with_channel(name: str) -> list[UUID]:
    """Ids of the organizations that have a channel of this name."""
    return list(Channel.objects.filter(name=name).values_list("organization_id", flat=True))


def channel_names(organization_id: UUID) -> list[str]:
    """The names of the organization's active channels, sorted."""
    rows = Channel.objects.filter(organization_id=organization_id, is_active=True)
    return sorted(rows.values_list("name", flat=True))
