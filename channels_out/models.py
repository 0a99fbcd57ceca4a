"""Rows of delivery: senders, what was said and heard, what providers reported back, and what the CRM was told."""

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from django.db.models.functions import Now

from accounts.models import OrganizationOwned
from channels_out.delivery import HOLDING_STATES, AttemptState, MessageStatus, Receipt
from swiftex.encryption import EncryptedJSONField
from swiftex.ids import new_id, public_id


class ChannelKind(models.TextChoices):
    """Ways to reach a person. Voice and e-mail can be configured, and are passed over when sending (ADR 0033)."""

    WHATSAPP_CLOUD = "whatsapp_cloud", "WhatsApp (Cloud API)"
    TWILIO_SMS = "twilio_sms", "SMS (Twilio)"
    TWILIO_VOICE = "twilio_voice", "Voice (Twilio)"
    EMAIL = "email", "E-mail"


SENDABLE_KINDS = frozenset({ChannelKind.WHATSAPP_CLOUD.value, ChannelKind.TWILIO_SMS.value})


class Owned(OrganizationOwned):
    """An organization's row with a time-sorted id."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True


def _link(to: str, *, null: bool = False, index: bool = False) -> "models.ForeignKey[models.Model, models.Model]":
    """A key whose database side is composite (organization_id, id), added by the migration."""
    return models.ForeignKey(
        to, on_delete=models.PROTECT, related_name="+", null=null, blank=null, db_constraint=False, db_index=index
    )


class Channel(Owned):
    """A sender: one number or address of one provider, with its credentials and its speed."""

    name = models.SlugField(max_length=50)
    kind = models.CharField(max_length=20, choices=ChannelKind)
    settings = models.JSONField(default=dict, blank=True)
    credentials = EncryptedJSONField(null=True, blank=True)
    messages_per_second = models.PositiveIntegerField(default=10, db_default=10)
    is_active = models.BooleanField(default=True, db_default=True, help_text="Off: nothing is sent from here.")
    paused_until = models.DateTimeField(null=True, editable=False)
    paused_reason = models.CharField(max_length=60, blank=True, db_default="", editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    check_result = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["organization", "name"], name="channel_name_once"),
            CheckConstraint(condition=Q(messages_per_second__range=(1, 10_000)), name="channel_speed_in_range"),
        ]

    def __str__(self) -> str:
        return self.name


class MessageTemplate(Owned):
    """A text that the provider approved, for a first contact."""

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, choices=ChannelKind, default=ChannelKind.WHATSAPP_CLOUD)
    language = models.CharField(max_length=16, default="en_US")
    category = models.CharField(
        max_length=16,
        choices=[("utility", "utility"), ("marketing", "marketing"), ("authentication", "authentication")],
        default="utility",
        help_text="Marketing templates are not delivered to +1 numbers.",
    )
    parameter_format = models.CharField(
        max_length=12, choices=[("named", "named"), ("positional", "positional")], default="named"
    )
    parameters = models.JSONField(default=list, blank=True)
    body = models.TextField(max_length=1024)

    class Meta:
        constraints = [UniqueConstraint(fields=["organization", "name"], name="template_name_once")]

    def __str__(self) -> str:
        return self.name


class Message(Owned):
    """One text, either way. An outbound one is owed once per obligation key, whatever runs twice."""

    direction = models.CharField(max_length=3, choices=[("out", "out"), ("in", "in")])
    obligation = models.CharField(max_length=30, blank=True, db_default="")
    obligation_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - unique where given
    conversation_id = models.UUIDField(null=True, blank=True)
    contact = _link("leads.Contact")
    lead = _link("leads.Lead", null=True)
    channel = _link("channels_out.Channel", null=True)
    channel_order = models.JSONField(default=list, db_default=[])
    template_name = models.CharField(max_length=100, blank=True, db_default="")
    text = models.TextField(blank=True, db_default="")
    parameters = models.JSONField(default=dict, db_default={})
    content_type = models.CharField(max_length=30, db_default="text")
    text_source = models.CharField(max_length=20, blank=True, db_default="")
    text_reason = models.CharField(max_length=60, blank=True, db_default="")
    status = models.CharField(max_length=12, choices=[(s.value, s.value) for s in MessageStatus])
    provider_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - unique where given
    failure_code = models.CharField(max_length=20, blank=True, db_default="")
    failure_reason = models.CharField(max_length=60, blank=True, db_default="")
    unknown_wait_s = models.FloatField(db_default=20.0, default=20.0)
    max_age_s = models.FloatField(db_default=1800.0, default=1800.0)
    received_at = models.DateTimeField(null=True, help_text="When the lead or the inbound message came in.")
    deadline_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    model_answered_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it failed, was suppressed, or was left to a person.")

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "obligation_key"],
                condition=Q(obligation_key__isnull=False),
                name="message_once_per_obligation",
            ),
            UniqueConstraint(
                fields=["organization", "channel", "provider_id"],
                condition=Q(direction="in"),
                name="inbound_once_per_provider_id",
            ),
            CheckConstraint(condition=Q(status__in=[s.value for s in MessageStatus]), name="message_status_known"),
        ]
        indexes = [
            Index(fields=["organization", "lead"], name="message_of_lead"),
            Index(fields=["organization", "contact"], name="message_of_contact"),
            Index(fields=["organization", "conversation_id"], name="message_of_conversation"),
            Index(fields=["organization", "created_at"], condition=Q(direction="in"), name="message_heard"),
            Index(fields=["organization", "ended_at"], condition=Q(ended_at__isnull=False), name="message_ended"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """`msg_` and 32 hex digits."""
        return public_id("msg", self.id)


class Attempt(Owned):
    """One call to one provider: written down before it is made, and never made twice."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="attempts", db_constraint=False)
    channel = _link("channels_out.Channel")
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in AttemptState])
    as_template = models.BooleanField(default=False, db_default=False)
    provider_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - none until accepted
    receipt_rank = models.PositiveSmallIntegerField(default=0, db_default=0)
    code = models.CharField(max_length=20, blank=True, db_default="")
    reason = models.CharField(max_length=60, blank=True, db_default="")
    error_class = models.CharField(max_length=10, blank=True, db_default="")
    retry_after_s = models.FloatField(null=True)
    text_hash = models.BinaryField(max_length=32)
    started_at = models.DateTimeField(db_default=Now())
    deadline_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["message", "number"], name="attempt_number_once"),
            UniqueConstraint(
                fields=["message", "channel"],
                condition=Q(state__in=sorted(HOLDING_STATES)),
                name="one_possible_message_per_channel",
            ),
            CheckConstraint(condition=Q(state__in=[s.value for s in AttemptState]), name="attempt_state_known"),
        ]
        indexes = [
            Index(
                fields=["channel", "provider_id"], condition=Q(provider_id__isnull=False), name="attempt_at_provider"
            ),
            Index(fields=["deadline_at"], condition=Q(state__in=["sending", "unknown"]), name="attempt_in_doubt"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"


class ReceiptRow(Owned):
    """One status that a provider reported, once per (channel, provider id, status). Unmatched ones wait or stay."""

    attempt = models.ForeignKey(
        Attempt, on_delete=models.PROTECT, related_name="receipts", null=True, db_constraint=False
    )
    channel = _link("channels_out.Channel")
    provider_id = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=[(r.value, r.value) for r in Receipt])
    code = models.CharField(max_length=20, blank=True, db_default="")
    reported_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "channels_out_receipt"
        verbose_name = "receipt"
        constraints = [
            UniqueConstraint(fields=["channel", "provider_id", "status"], name="receipt_once"),
        ]
        indexes = [Index(fields=["received_at"], condition=Q(attempt__isnull=True), name="receipt_unmatched")]

    def __str__(self) -> str:
        return self.status


class Callback(Owned):
    """The raw body of one verified call by a provider. `quarantine`: why (part of) it could not be handled."""

    channel = _link("channels_out.Channel")
    provider = models.CharField(max_length=20)
    endpoint = models.CharField(max_length=10, db_default="")
    query = models.CharField(max_length=500, blank=True, db_default="")
    body = models.BinaryField()
    content_type = models.CharField(max_length=100, blank=True, db_default="")
    digest = models.BinaryField(max_length=32)
    quarantine = models.CharField(max_length=60, blank=True, db_default="")
    received_at = models.DateTimeField(db_default=Now())
    folded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [UniqueConstraint(fields=["channel", "digest"], name="callback_once")]
        indexes = [
            Index(fields=["id"], condition=Q(folded_at__isnull=True), name="callback_to_fold"),
            Index(fields=["organization", "-received_at"], name="callback_newest_first"),
        ]

    def __str__(self) -> str:
        return f"callback {self.id}"


class ContactWindow(Owned):
    """When a contact last wrote to a number: free text may follow for 24 hours."""

    channel = _link("channels_out.Channel")
    contact = _link("leads.Contact")
    last_inbound_at = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(fields=["channel", "contact"], name="window_once")]

    def __str__(self) -> str:
        return f"window {self.id}"


class Unreachable(Owned):
    """A contact can't be reached over a kind of channel, as far as we know, until then."""

    contact = _link("leads.Contact")
    channel_kind = models.CharField(max_length=20, choices=ChannelKind)
    code = models.CharField(max_length=20)
    until = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(fields=["contact", "channel_kind"], name="unreachable_once")]
        verbose_name_plural = "unreachable"

    def __str__(self) -> str:
        return f"unreachable {self.id}"


class CrmConnection(Owned):
    """Where leads are synced to. One for an organization."""

    kind = models.CharField(
        max_length=12, choices=[("http", "HTTP (signed JSON)"), ("hubspot", "HubSpot"), ("salesforce", "Salesforce")]
    )
    base_url = models.URLField(max_length=500)
    credentials = EncryptedJSONField(null=True, blank=True)
    is_active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "CRM connection"
        constraints = [UniqueConstraint(fields=["organization"], name="one_crm_connection")]

    def __str__(self) -> str:
        return f"{self.kind} connection"


class CrmSync(Owned):
    """How far a lead's sync got; one row per lead, and its id is the webhook-id of every try."""

    connection = _link("channels_out.CrmConnection")
    lead = _link("leads.Lead")
    state = models.CharField(
        max_length=8, choices=[("waiting", "waiting"), ("synced", "synced"), ("failed", "failed")], db_default="waiting"
    )
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    remote_id = models.CharField(max_length=200, blank=True, db_default="")
    reason = models.CharField(max_length=60, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    synced_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "CRM sync"
        constraints = [UniqueConstraint(fields=["connection", "lead"], name="sync_once_per_lead")]
        indexes = [Index(fields=["organization", "lead"], name="sync_of_lead")]

    def __str__(self) -> str:
        return f"sync {self.id}"


class NotifySettings(Owned):
    """Who hears of new, answered and stuck leads, and up to which fact they have heard."""

    email = models.EmailField(blank=True, db_default="")
    webhook_url = models.URLField(max_length=500, blank=True, db_default="")
    credentials = EncryptedJSONField(null=True, blank=True)
    told_until = models.DateTimeField(db_default=Now(), editable=False)
    is_active = models.BooleanField(default=True, db_default=True)

    class Meta:
        verbose_name = "notice settings"
        verbose_name_plural = "notice settings"
        constraints = [UniqueConstraint(fields=["organization"], name="one_notify_settings")]

    def __str__(self) -> str:
        return f"notices {self.id}"
