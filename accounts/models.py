"""Organizations, their members and keys, and the base that ties every other row to one organization."""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from swiftex.ids import new_id, public_id


class OnAmbiguous(models.TextChoices):
    """What to do when nobody can say whether a provider took a message (delivery.md, rule 4)."""

    AT_MOST_ONCE = "at_most_once", "Never twice on a channel: wait, then take the next channel"
    AT_LEAST_ONCE = "at_least_once", "Send again, even if it may arrive twice"


class Role(models.TextChoices):
    """What a member may do; each one includes what the earlier ones may."""

    VIEWER = "viewer", "Viewer: reads"
    AGENT = "agent", "Agent: works on leads and conversations"
    MANAGER = "manager", "Manager: configures"
    OWNER = "owner", "Owner: members and keys as well"

    @property
    def rank(self) -> int:
        """0 for a viewer, rising."""
        return list(Role).index(self)


class Organization(models.Model):
    """A customer of this installation: everything it owns carries its id."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=40, unique=True, help_text="Short name in addresses, such as acme.")
    name = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, default="UTC", help_text="Such as Asia/Kolkata.")
    default_region = models.CharField(
        max_length=2, default="US", help_text="Country of phone numbers that are written without a country code."
    )
    first_message_budget_ms = models.PositiveIntegerField(
        default=2000, help_text="Milliseconds from the form's submit to the channel's acceptance."
    )
    duplicate_window_days = models.PositiveIntegerField(
        default=30, help_text="Days in which the same contact is a duplicate. 0: never."
    )
    on_ambiguous = models.CharField(max_length=16, choices=OnAmbiguous, default=OnAmbiguous.AT_MOST_ONCE)
    is_active = models.BooleanField(default=True, help_text="Off: its keys are refused.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(first_message_budget_ms__range=(200, 60_000)), name="organization_budget_in_range"
            ),
            CheckConstraint(condition=Q(duplicate_window_days__lte=3650), name="organization_window_in_range"),
            CheckConstraint(condition=Q(on_ambiguous__in=OnAmbiguous.values), name="organization_on_ambiguous_known"),
        ]

    def __str__(self) -> str:
        return self.name


class OrganizationOwned(models.Model):
    """Base of every row that belongs to one organization.

    The migration of such a table adds UniqueInOrganization (which is why the column has no index of its own) and a
    CompositeForeignKey for each column that points to another such table.
    """

    organization = models.ForeignKey(
        "accounts.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        abstract = True


class Membership(OrganizationOwned):
    """A user's role in an organization."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.AGENT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "member"
        constraints = [
            UniqueConstraint(
                fields=["organization", "user"],
                name="membership_once_per_user",
                violation_error_message="This person is already a member.",
            ),
            CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"membership {self.id}"


class Scope(models.TextChoices):
    """What an API key may do (design.md section 5)."""

    LEADS_READ = "leads:read"
    LEADS_WRITE = "leads:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    CONVERSATIONS_READ = "conversations:read"
    CONVERSATIONS_WRITE = "conversations:write"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"
    EVERYTHING = "*"


class ApiKey(OrganizationOwned):
    """A key of the API. Only its SHA-256 is kept: the key itself has 256 random bits and is shown once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False, help_text="The key's beginning, to tell keys apart.")
    hashed_key = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Refused from then on. Empty: never.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = [
            UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(revoked_at__isnull=True),
                name="api_key_name_once_among_valid",
                violation_error_message="A valid key of this name exists.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def public_id(self) -> str:
        """`key_` and 32 hex digits."""
        return public_id("key", self.id)


class AuditEntry(OrganizationOwned):
    """Who changed what, for ever: rows are only added (a trigger refuses the rest). Never holds a secret's value."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    actor = models.CharField(max_length=100, help_text="user:<id>, key:<id> or command:<name>")
    action = models.CharField(max_length=100, help_text="Such as api_key.created")
    target = models.CharField(max_length=200)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["organization", "-created_at"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"


class IdempotencyRecord(OrganizationOwned):
    """The stored answer to an Idempotency-Key: the same key again gets these bytes."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["organization", "key"], name="idempotency_key_once"),
            CheckConstraint(condition=Q(status__range=(200, 599)), name="idempotency_status_is_http"),
        ]
        # Only pruning reads by age, and rows arrive in that order: BRIN costs an insert next to nothing.
        indexes = [BrinIndex(fields=["created_at"], name="idempotency_by_age", autosummarize=True)]

    def __str__(self) -> str:
        return f"idempotency record {self.id}"
