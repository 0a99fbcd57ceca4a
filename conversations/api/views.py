"""Conversations in the API: lists and one, read-only. What was said is at /api/v1/messages?conversation_id=."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PAGING, CursorPages, page_of
from accounts.api.views import ApiView, caller
from conversations.api.serializers import ConversationSerializer
from conversations.models import Conversation, ConversationState
from conversations.selectors import conversations_of
from leads.api import filters
from swiftex.ids import parse_public_id, public_id

READ = "conversations:read"
FILTERS: dict[str, tuple[str, filters.Reader]] = {
    "state": ("state", filters.read_one_of(ConversationState)),
    "contact_id": ("contact_id", filters.read_id("con")),
    "lead_id": ("lead_id", filters.read_id("lead")),
    **filters.moments("opened_at"),
    **filters.moments("last_inbound_at"),
}
CONVERSATION_PAGE = page_of("ConversationPage", ConversationSerializer)


class ConversationsView(ApiView):
    """GET lists conversations, newest first."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(
        operation_id="conversations_list",
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, *PAGING)],
        responses={200: CONVERSATION_PAGE},
    )
    def get(self, request: Request) -> Response:
        """Conversations in pages."""
        rows = filters.filtered(conversations_of(caller(request).organization_id), request, FILTERS)
        pages = CursorPages()
        return pages.get_paginated_response(
            [conversation_as_json(row) for row in pages.paginate_queryset(rows, request)]
        )


class ConversationView(ApiView):
    """One conversation."""

    required_scopes: ClassVar = {"GET": READ}

    @extend_schema(operation_id="conversations_read", responses={200: ConversationSerializer})
    def get(self, request: Request, conversation_id: str) -> Response:
        """The conversation as it stands."""
        try:
            rows = conversations_of(caller(request).organization_id)
            row = rows.get(pk=parse_public_id("cnv", conversation_id))
        except (ValueError, Conversation.DoesNotExist):
            raise NotFound from None
        return Response(conversation_as_json(row))


def conversation_as_json(conversation: Conversation) -> dict[str, Any]:
    """The conversation as the API shows it."""
    base = f"{settings.PUBLIC_URL}/api/v1"
    return {
        "id": conversation.public_id,
        "url": f"{base}/conversations/{conversation.public_id}",
        "contact_id": public_id("con", conversation.contact_id),
        "lead_id": public_id("lead", conversation.lead_id) if conversation.lead_id else None,
        "state": conversation.state,
        "opened_at": conversation.opened_at,
        "last_inbound_at": conversation.last_inbound_at,
        "last_outbound_at": conversation.last_outbound_at,
        "messages_url": f"{base}/messages?conversation_id={conversation.public_id}",
    }
