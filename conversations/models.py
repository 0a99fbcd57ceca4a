"""Threads with a contact, and how an organization's first message is written."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.db.models.functions import Now

from accounts.models import OrganizationOwned
from swiftex.encryption import EncryptedJSONField
from swiftex.ids import new_id, public_id


class ConversationState(models.TextChoices):
    """Whether more is expected in the thread."""

    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"


class Conversation(OrganizationOwned):
    """One thread with one contact, over all channels; a contact has at most one open."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    contact = models.ForeignKey(
        "leads.Contact", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    lead = models.ForeignKey(
        "leads.Lead", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False, null=True
    )
    state = models.CharField(max_length=8, choices=ConversationState, default=ConversationState.OPEN)
    opened_at = models.DateTimeField(db_default=Now())
    last_inbound_at = models.DateTimeField(null=True)
    last_outbound_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "contact"], condition=Q(state="open"), name="one_open_conversation_per_contact"
            ),
            CheckConstraint(condition=Q(state__in=ConversationState.values), name="conversation_state_known"),
        ]
        # Ids are sorted by time, so the unique index (organization, id) also lists the newest first.

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """`cnv_` and 32 hex digits."""
        return public_id("cnv", self.id)


class LlmProvider(models.TextChoices):
    """Which wire format a language model speaks."""

    OPENAI = "openai", "OpenAI or any compatible server"
    ANTHROPIC = "anthropic", "Anthropic"
    SCRIPTED = "scripted", "Scripted sentences, no account needed"


class LlmConnection(OrganizationOwned):
    """The language model of an organization."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=16, choices=LlmProvider, default=LlmProvider.SCRIPTED)
    base_url = models.CharField("base URL", max_length=500, blank=True, help_text="Empty: the provider's own address.")
    model = models.CharField(max_length=200, blank=True, help_text="Such as gpt-4o-mini.")
    timeout_ms = models.PositiveIntegerField(
        default=1100,
        validators=[MinValueValidator(50), MaxValueValidator(60_000)],
        help_text="Longest wait for an answer, in milliseconds. Never more than the budget leaves.",
    )
    max_tokens_field = models.CharField(
        max_length=40,
        default="max_tokens",
        choices=[("max_tokens", "max_tokens"), ("max_completion_tokens", "max_completion_tokens")],
        help_text="How the model wants its limit to be named.",
    )
    credentials = EncryptedJSONField(default=dict)

    class Meta:
        verbose_name = "language model"
        constraints = [
            UniqueConstraint(
                fields=["organization"],
                name="one_language_model_per_organization",
                violation_error_message="This organization has a language model: edit that one.",
            ),
            CheckConstraint(condition=Q(provider__in=LlmProvider.values), name="llm_provider_known"),
            CheckConstraint(condition=Q(timeout_ms__range=(50, 60_000)), name="llm_timeout_in_range"),
        ]

    def __str__(self) -> str:
        return f"{self.get_provider_display()} {self.id}"


class GreetingSettings(OrganizationOwned):
    """How the first message of an organization is written, and where it goes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channels = models.JSONField(default=list, help_text="Names of channels, in the order in which they are tried.")
    template = models.CharField(
        max_length=200, blank=True, help_text="Name of the approved template for a first contact on WhatsApp."
    )
    prompt = models.TextField(blank=True, help_text="What the language model is told about the first message.")
    fallback_text = models.CharField(
        max_length=1000, help_text="What is sent when the language model is late, wrong or down."
    )
    language = models.CharField(max_length=60, default="English", help_text="The language the model writes in.")
    max_chars = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(40), MaxValueValidator(600)],
        help_text="Longest line the model may write, in characters.",
    )
    unknown_wait_s = models.PositiveIntegerField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
        help_text="Seconds that an unknown outcome waits for a receipt before the next channel is tried.",
    )
    max_age_s = models.PositiveIntegerField(
        default=1800,
        validators=[MinValueValidator(60), MaxValueValidator(86_400)],
        help_text="A greeting later than this, in seconds, waits for a person.",
    )

    class Meta:
        verbose_name = "greeting"
        verbose_name_plural = "greeting"
        constraints = [
            UniqueConstraint(
                fields=["organization"],
                name="one_greeting_per_organization",
                violation_error_message="This organization has greeting settings: edit those.",
            ),
            CheckConstraint(condition=Q(max_chars__range=(40, 600)), name="greeting_max_chars_in_range"),
            CheckConstraint(condition=Q(unknown_wait_s__range=(1, 600)), name="greeting_unknown_wait_in_range"),
            CheckConstraint(condition=Q(max_age_s__range=(60, 86_400)), name="greeting_max_age_in_range"),
        ]

    def __str__(self) -> str:
        return f"greeting {self.id}"
