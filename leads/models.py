"""Contacts, their identities and consents; leads, the touches that made them, and the sources they came from."""

from django.contrib.auth import get_user_model
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import OrganizationOwned
from leads.choices import (
    ConsentRule,
    ConsentStatus,
    GreetingState,
    LeadConsent,
    LeadStatus,
    SourceKind,
    choices_of,
)
from swiftex.encryption import EncryptedJSONField
from swiftex.ids import new_id, public_id

_KEY_MAX_CHARS = 64


class LeadSource(OrganizationOwned):
    """One way in: a website, a form, an ad account, a partner. Its key is a name in the configuration file."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=_KEY_MAX_CHARS, help_text="Its name in the API and in addresses.")
    kind = models.CharField(max_length=20, choices=choices_of(SourceKind), default=SourceKind.API.value)
    consent = models.CharField(
        max_length=10,
        choices=choices_of(ConsentRule),
        default=ConsentRule.ASSUMED.value,
        help_text="Assumed: a lead may be contacted unless it says no. Required: a lead without a yes is refused.",
    )
    consent_text = models.TextField(
        blank=True, default="", max_length=2000, help_text="The sentence beside the form's box; stored as evidence."
    )
    consent_version = models.CharField(max_length=40, blank=True, default="")
    fields = models.JSONField(
        default=list, blank=True, help_text="What a hosted form asks for, in this order, for example name, phone."
    )
    duplicate_window_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="For how long the same person counts as the same lead; 0: never. Empty: the organization's own.",
    )
    credentials = EncryptedJSONField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "key"], name="leads_source_one_per_key"),
            models.CheckConstraint(condition=Q(key__regex=r"^[a-z0-9][a-z0-9_-]*$"), name="leads_source_key_is_a_name"),
        ]

    def __str__(self) -> str:
        return self.key


class Contact(OrganizationOwned):
    """One person, however many sources, leads and touches they came by."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, blank=True, default="")
    first_name = models.CharField(max_length=100, blank=True, default="")
    last_name = models.CharField(max_length=100, blank=True, default="")
    phone = models.CharField(max_length=20, blank=True, default="", help_text="In E.164, for example +919876543210.")
    email = models.CharField(max_length=254, blank=True, default="")
    region = models.CharField(max_length=2, blank=True, default="", help_text="Country of the phone number.")
    timezone = models.CharField(max_length=64, blank=True, default="")
    opted_out_at = models.DateTimeField(null=True, blank=True, editable=False)
    opt_out_source = models.CharField(max_length=40, blank=True, default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return public_id("con", self.id)

    @property
    def is_opted_out(self) -> bool:
        """True when nothing may be sent to this person."""
        return self.opted_out_at is not None


class Identity(OrganizationOwned):
    """A normal form by which a contact is known; the constraint is what makes one person one contact (D17)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=[("email", "E-mail"), ("phone", "Phone")])
    value = models.CharField(max_length=254)
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="identities", db_constraint=False, db_index=False
    )
    first_seen_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(fields=["organization", "kind", "value"], name="leads_identity_one_contact"),
        ]
        indexes = [models.Index(fields=["organization", "contact"], name="leads_identity_of_contact")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id.hex[-8:]}"


class MergeSuggestion(OrganizationOwned):
    """Two contacts that one submission matched at once; a person decides whether they are one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="merge_suggestions", db_constraint=False
    )
    other = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    touch_id = models.UUIDField(null=True, editable=False)
    suggested_at = models.DateTimeField(db_default=Now(), editable=False)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "contact", "other"], name="leads_merge_suggested_once"),
            models.CheckConstraint(condition=~Q(contact=F("other")), name="leads_merge_of_two_contacts"),
        ]

    def __str__(self) -> str:
        return f"{public_id('con', self.contact_id)} and {public_id('con', self.other_id)}"


class Lead(OrganizationOwned):
    """The record of a submission, from its capture to the end of the work on it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="leads", db_constraint=False, db_index=False
    )
    source = models.ForeignKey(
        LeadSource, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    campaign = models.CharField(max_length=200, blank=True, default="")
    external_id = models.CharField(max_length=200, blank=True, default="")
    phone = models.CharField(max_length=20, blank=True, default="", help_text="As given with this lead, in E.164.")
    email = models.CharField(max_length=254, blank=True, default="")
    message = models.TextField(blank=True, default="")
    attributes = models.JSONField(default=dict, blank=True)
    utm = models.JSONField(default=dict, blank=True)
    consent = models.CharField(max_length=10, choices=choices_of(LeadConsent), default=LeadConsent.ASSUMED.value)
    owner = models.ForeignKey(
        get_user_model(), on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    status = models.CharField(max_length=12, choices=choices_of(LeadStatus), default=LeadStatus.NEW.value)
    decision = models.JSONField(default=dict, blank=True, editable=False)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    received_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    greeting_state = models.CharField(
        max_length=12, choices=choices_of(GreetingState), default=GreetingState.PENDING.value, editable=False
    )
    greeting_reason = models.CharField(max_length=60, blank=True, default="", editable=False)
    greeting_channel = models.CharField(max_length=64, blank=True, default="", editable=False)
    greeting_round = models.PositiveSmallIntegerField(
        default=1, editable=False, help_text="Counts up each time the greeting is asked for anew."
    )
    greeting_asked_at = models.DateTimeField(
        editable=False, help_text="The moment from which the greeting's budget runs."
    )
    greeted_at = models.DateTimeField(null=True, editable=False)
    replied_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(phone="") | ~Q(email=""), name="leads_lead_can_be_reached"),
        ]
        # Few, and none on a column that a greeting changes: its updates stay within the page (fillfactor in 0001).
        indexes = [
            models.Index(fields=["organization", "contact", "-received_at"], name="leads_lead_of_contact"),
            models.Index(fields=["organization", "-received_at"], name="leads_lead_by_day"),
            models.Index(fields=["owner"], name="leads_lead_of_owner", condition=Q(owner__isnull=False)),
            GinIndex(fields=["tags"], name="leads_lead_tags", condition=~Q(tags=[])),
        ]

    def __str__(self) -> str:
        return public_id("lead", self.id)


class Touch(OrganizationOwned):
    """One submission of a contact, kept for attribution whether it made a lead or repeated one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, related_name="touches", db_constraint=False, db_index=False
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="touches", db_constraint=False, db_index=False
    )
    source = models.ForeignKey(
        LeadSource, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    external_id = models.CharField(max_length=200, null=True, editable=False)  # noqa: DJ001 - null: none was given
    campaign = models.CharField(max_length=200, blank=True, default="")
    utm = models.JSONField(default=dict, blank=True)
    consent = models.CharField(max_length=10, choices=choices_of(LeadConsent), default=LeadConsent.ASSUMED.value)
    received_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name_plural = "touches"
        constraints = [
            # Nulls are distinct, so only touches with an external id exclude each other. Not one per source alone:
            # a repeat with the same id is kept as a touch without it (see leads/sql.py).
            models.UniqueConstraint(
                fields=["organization", "source", "external_id"], name="leads_touch_one_per_external_id"
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "lead"], name="leads_touch_of_lead"),
            models.Index(fields=["organization", "contact"], name="leads_touch_of_contact"),
        ]

    def __str__(self) -> str:
        return f"touch {self.id.hex}"


class LeadNote(OrganizationOwned):
    """What a person wrote down about a lead."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="notes", db_constraint=False, db_index=False)
    author = models.ForeignKey(
        get_user_model(), on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    text = models.TextField(max_length=5000)
    written_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["organization", "lead"], name="leads_note_of_lead")]

    def __str__(self) -> str:
        return f"note {self.id.hex}"


class ConsentRecord(OrganizationOwned):
    """One line of the consent ledger: appended, never changed; the newest for a channel and purpose holds."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="consent_records", db_constraint=False, db_index=False
    )
    channel = models.CharField(max_length=20, default="all", help_text="The channel it was said on, or all.")
    purpose = models.CharField(max_length=20, default="contact")
    status = models.CharField(max_length=10, choices=choices_of(ConsentStatus))
    source = models.CharField(max_length=64, help_text="Where it was said, for example a source's key.")
    evidence = models.JSONField(default=dict, help_text="The sentence and version shown, or the word received.")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organization", "contact", "-at"], name="leads_consent_of_contact")]

    def __str__(self) -> str:
        return f"{self.status} ({self.channel})"


class Suppression(OrganizationOwned):
    """An identity nothing may be sent to, by its keyed hash: it outlives the erasure of the contact."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=[("email", "E-mail"), ("phone", "Phone")])
    value_hash = models.CharField(max_length=64)
    reason = models.CharField(max_length=40)
    since = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "value_hash", "kind"], name="leads_suppression_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value_hash[:8]}"
