"""Messages in the API: lists and one, read-only."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PAGING, CursorPages, page_of
from accounts.api.views import ApiView, caller
from channels_out.api.serializers import MessageSerializer
from channels_out.delivery import MessageStatus
from channels_out.models import Attempt, Message
from channels_out.selectors import messages_of
from leads.api import filters
from swiftex.ids import parse_public_id, public_id

READ = "conversations:read"
FILTERS: dict[str, tuple[str, filters.Reader]] = {
    "direction": ("direction", filters.read_one_of(["in", "out"])),
    "status": ("status", filters.read_one_of(MessageStatus)),
    "channel": ("channel__name", filters.read_text),
    "lead_id": ("lead_id", filters.read_id("lead")),
    "contact_id": ("contact_id", filters.read_id("con")),
    "conversation_id": ("conversation_id", filters.read_id("cnv")),
    **filters.moments("created_at"),
}
MESSAGE_PAGE = page_of("MessagePage", MessageSerializer)


class MessagesView(ApiView):
    """GET lists messages, newest first."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(
        operation_id="messages_list",
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, *PAGING)],
        responses={200: MESSAGE_PAGE},
    )
    def get(self, request: Request) -> Response:
        """Messages in pages, with their attempts."""
        rows = filters.filtered(messages_of(caller(request).organization_id), request, FILTERS)
        pages = CursorPages()
        return pages.get_paginated_response([message_as_json(row) for row in pages.paginate_queryset(rows, request)])


class MessageView(ApiView):
    """One message."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(operation_id="messages_read", responses={200: MessageSerializer})
    def get(self, request: Request, message_id: str) -> Response:
        """The message as it stands."""
        try:
            row = messages_of(caller(request).organization_id).get(pk=parse_public_id("msg", message_id))
        except (ValueError, Message.DoesNotExist):
            raise NotFound from None
        return Response(message_as_json(row))


def message_as_json(message: Message) -> dict[str, Any]:
    """The message as the API shows it; empty texts are null."""
    return {
        "id": message.public_id,
        "url": f"{settings.PUBLIC_URL}/api/v1/messages/{message.public_id}",
        "direction": message.direction,
        "status": message.status,
        "channel": getattr(message.channel, "name", None),
        "channel_kind": getattr(message.channel, "kind", None),
        "contact_id": public_id("con", message.contact_id),
        "lead_id": public_id("lead", message.lead_id) if message.lead_id else None,
        "conversation_id": public_id("cnv", message.conversation_id) if message.conversation_id else None,
        "text": message.text,
        "content_type": message.content_type,
        "text_source": message.text_source or None,
        "text_reason": message.text_reason or None,
        "failure_code": message.failure_code or None,
        "failure_reason": message.failure_reason or None,
        "created_at": message.created_at,
        "accepted_at": message.accepted_at,
        "sent_at": message.sent_at,
        "delivered_at": message.delivered_at,
        "read_at": message.read_at,
        "attempts": [_attempt_as_json(attempt) for attempt in message.attempts.all()],
    }


def _attempt_as_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "channel": str(attempt.channel),
        "state": attempt.state,
        "code": attempt.code or None,
        "reason": attempt.reason or None,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
    }
