"""The shape of a conversation in the API."""

from typing import Any

from rest_framework import serializers


class ConversationSerializer(serializers.Serializer[Any]):
    """One thread with one contact, over all channels."""

    id = serializers.CharField()
    url = serializers.URLField()
    contact_id = serializers.CharField()
    lead_id = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    opened_at = serializers.DateTimeField()
    last_inbound_at = serializers.DateTimeField(allow_null=True)
    last_outbound_at = serializers.DateTimeField(allow_null=True)
    messages_url = serializers.URLField()
