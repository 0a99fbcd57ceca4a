"""Shape and size of what the leads API takes and gives; what a value means is for leads.submission to say."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from leads.api.fields import ConsentField, FlatObjectField
from leads.choices import GreetingState, LeadConsent, LeadStatus, choices_of
from leads.identity import MAX_EMAIL_CHARS, MAX_PHONE_CHARS
from leads.submission import (
    MAX_CAMPAIGN_CHARS,
    MAX_EXTERNAL_ID_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_PART_OF_NAME_CHARS,
    Submission,
)

MAX_SOURCE_KEY_CHARS = 64
MAX_LEADS_IN_BATCH = 1_000


def _text(max_length: int, **kwargs: Any) -> serializers.CharField:
    return serializers.CharField(max_length=max_length, required=False, allow_blank=True, allow_null=True, **kwargs)


class LeadSubmissionSerializer(serializers.Serializer[Submission]):
    """A lead as its source hands it over. A phone number or an e-mail address is needed."""

    source = serializers.CharField(  # type: ignore[assignment]  # the base class has a `source` of its own
        max_length=MAX_SOURCE_KEY_CHARS, help_text="Key of a source of the organization."
    )
    campaign = _text(MAX_CAMPAIGN_CHARS)
    external_id = _text(MAX_EXTERNAL_ID_CHARS, help_text="The source's own id; the same one again is a duplicate.")
    name = _text(MAX_NAME_CHARS)
    first_name = _text(MAX_PART_OF_NAME_CHARS)
    last_name = _text(MAX_PART_OF_NAME_CHARS)
    phone = _text(MAX_PHONE_CHARS, help_text="As people write it; without a country code it is read as local.")
    email = _text(MAX_EMAIL_CHARS)
    message = _text(MAX_MESSAGE_CHARS)
    attributes = FlatObjectField(required=False, allow_null=True)
    utm = FlatObjectField(max_keys=20, max_chars=500, required=False, allow_null=True)
    consent = ConsentField(required=False, allow_null=True)


# Fields keep no state of a request, so one serializer reads all of them: making its dozen fields anew for each lead
# would cost more than using them does.
_READER = LeadSubmissionSerializer()
_TEXTS = ("campaign", "external_id", "name", "first_name", "last_name", "phone", "email", "message")


def read_submission(data: object, *, organization_id: UUID) -> Submission:
    """The submission in `data`, of bounded shape and size; raises ValidationError naming each field at fault."""
    values: dict[str, Any] = _READER.run_validation(data)
    texts: dict[str, Any] = {name: values.get(name) or "" for name in _TEXTS}
    return Submission(
        organization_id=organization_id,
        source_key=values["source"],
        attributes=values.get("attributes") or {},
        utm=values.get("utm") or {},
        consent=values.get("consent"),
        **texts,
    )


class BatchSerializer(serializers.Serializer[Any]):
    """Up to 1,000 leads, each stored or refused on its own."""

    leads = serializers.ListField(child=LeadSubmissionSerializer(), min_length=1, max_length=MAX_LEADS_IN_BATCH)


class CapturedSerializer(serializers.Serializer[Any]):
    """What became of a lead that was handed over."""

    id = serializers.CharField(help_text="The lead's id, or the first lead's when this one repeats it.")
    duplicate = serializers.BooleanField()
    contact_id = serializers.CharField()
    received_at = serializers.DateTimeField()
    first_message_due_at = serializers.DateTimeField()
    url = serializers.URLField()


class ItemResultSerializer(serializers.Serializer[Any]):
    """What became of one lead of a batch: `lead` or `problem`."""

    index = serializers.IntegerField(help_text="Its place in the request, from 0.")
    status = serializers.IntegerField(help_text="202 captured, 200 duplicate, 400 refused.")
    lead = CapturedSerializer(required=False)
    problem = serializers.DictField(required=False)


class BatchResultSerializer(serializers.Serializer[Any]):
    """The results in the order of the request, and how many of each there are."""

    captured = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = ItemResultSerializer(many=True)


class GreetingSerializer(serializers.Serializer[Any]):
    """What became of the first message."""

    state = serializers.ChoiceField(choices=choices_of(GreetingState))
    reason = serializers.CharField(allow_null=True)
    channel = serializers.CharField(allow_null=True)
    asked_at = serializers.DateTimeField()
    greeted_at = serializers.DateTimeField(allow_null=True)


class LeadSerializer(serializers.Serializer[Any]):
    """A lead as it stands."""

    id = serializers.CharField()
    url = serializers.URLField()
    contact_id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    source_kind = serializers.CharField()
    campaign = serializers.CharField(allow_null=True)
    external_id = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    region = serializers.CharField(allow_null=True)
    message = serializers.CharField(allow_null=True)
    attributes = FlatObjectField()
    utm = FlatObjectField()
    consent = serializers.ChoiceField(choices=choices_of(LeadConsent))
    status = serializers.ChoiceField(choices=choices_of(LeadStatus))
    tags = serializers.ListField(child=serializers.CharField())
    owner_id = serializers.IntegerField(allow_null=True)
    received_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    replied_at = serializers.DateTimeField(allow_null=True)
    greeting = GreetingSerializer()
    decision = serializers.DictField()


class ContactSerializer(serializers.Serializer[Any]):
    """A contact as it stands."""

    id = serializers.CharField()
    url = serializers.URLField()
    name = serializers.CharField(allow_null=True)
    first_name = serializers.CharField(allow_null=True)
    last_name = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    region = serializers.CharField(allow_null=True)
    opted_out_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class OptOutSerializer(serializers.Serializer[Any]):
    """Why a contact is opted out or in again."""

    evidence = serializers.CharField(max_length=500, required=False, allow_blank=True, help_text="What proves it.")


class MomentSerializer(serializers.Serializer[Any]):
    """A moment of the lead and how long after its receipt it came."""

    name = serializers.CharField()
    at = serializers.DateTimeField()
    ms = serializers.FloatField(help_text="Milliseconds since the lead was received.")


class SegmentSerializer(serializers.Serializer[Any]):
    """A stretch of the way to the first message."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    start_ms = serializers.FloatField()
    ms = serializers.FloatField()
    slowest = serializers.BooleanField()


class EntrySerializer(serializers.Serializer[Any]):
    """One fact about the lead."""

    at = serializers.DateTimeField()
    ms = serializers.FloatField()
    type = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class TimelineSerializer(serializers.Serializer[Any]):
    """Everything that happened to a lead, folded from its events."""

    lead_id = serializers.CharField()
    first_response_ms = serializers.FloatField(allow_null=True)
    slowest = serializers.CharField(allow_null=True)
    moments = MomentSerializer(many=True)
    segments = SegmentSerializer(many=True)
    entries = EntrySerializer(many=True)
