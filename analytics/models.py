"""Read models of what happened to leads, folded from events; all of it can be thrown away and built again."""

from django.db import models
from django.db.models import UniqueConstraint

from accounts.models import OrganizationOwned


class LeadFact(OrganizationOwned):
    """What the fold must remember of one lead: where it came from, and the first answer it got."""

    lead_id = models.UUIDField(primary_key=True, editable=False)
    source = models.CharField(max_length=64)
    day = models.DateField(help_text="The day of its capture, in the organization's time zone.")
    received_at = models.DateTimeField()
    channel = models.CharField(max_length=20, blank=True, default="", help_text="Kind that accepted the first message.")
    first_response_ms = models.PositiveIntegerField(null=True)
    is_replied = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"fact {self.lead_id}"


class LeadStat(OrganizationOwned):
    """How often something happened to the leads of one day, source and channel.

    measure and detail: see analytics/folds.py. Days are those of the leads' capture, so a row is a cohort.
    """

    day = models.DateField()
    source = models.CharField(max_length=64)
    channel = models.CharField(max_length=20, blank=True)
    measure = models.CharField(max_length=24)
    detail = models.CharField(max_length=64, blank=True)
    count = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = "first response"
        verbose_name_plural = "first response"
        constraints = [
            UniqueConstraint(
                fields=["organization", "day", "source", "channel", "measure", "detail"], name="lead_stat_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.pk}"
