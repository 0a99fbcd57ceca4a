"""The shapes of messages in the API."""

from rest_framework import serializers


class AttemptSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One call to one provider."""

    number = serializers.IntegerField()
    channel = serializers.CharField()
    state = serializers.CharField()
    code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class MessageSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One text, either way."""

    id = serializers.CharField()
    url = serializers.URLField()
    direction = serializers.ChoiceField(["in", "out"])
    status = serializers.CharField()
    channel = serializers.CharField(allow_null=True)
    channel_kind = serializers.CharField(allow_null=True)
    contact_id = serializers.CharField()
    lead_id = serializers.CharField(allow_null=True)
    conversation_id = serializers.CharField(allow_null=True)
    text = serializers.CharField()
    content_type = serializers.CharField()
    text_source = serializers.CharField(allow_null=True)
    text_reason = serializers.CharField(allow_null=True)
    failure_code = serializers.CharField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    read_at = serializers.DateTimeField(allow_null=True)
    attempts = AttemptSerializer(many=True)
