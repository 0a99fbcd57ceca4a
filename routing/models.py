"""Rows of the wire: facts that were recorded, and the obligations that follow from them."""

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from accounts.models import OrganizationOwned
from routing.job_states import JobState
from swiftex.ids import new_id
from swiftex.queues import Queue

OPEN = Q(state__in=[JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING])


class CurrentTransactionId(Func):
    """The id of the writing transaction, by which followers know which facts are settled (design.md D2)."""

    template = "((pg_current_xact_id())::text)::bigint"
    output_field = models.BigIntegerField()


class WireRow(OrganizationOwned):
    """A row written several times for every lead: it names its organization without a key check.

    Every such check would lock the same organization row from every transaction at once, and organizations are never
    deleted.
    """

    organization = models.ForeignKey(
        "accounts.Organization", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        abstract = True


class Event(WireRow):
    """A fact, appended once and never changed. It reads as a CloudEvent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    type = models.CharField(max_length=100)
    version = models.PositiveSmallIntegerField(default=1)
    subject = models.CharField(max_length=100)
    data = models.JSONField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    correlation_id = models.UUIDField(null=True)
    causation_id = models.UUIDField(null=True)
    xact_id = models.BigIntegerField(db_default=CurrentTransactionId())

    class Meta:
        indexes = [
            models.Index(fields=["organization", "correlation_id"], name="event_of_correlation"),
            models.Index(fields=["xact_id", "id"], name="event_in_commit_order"),
            models.Index(fields=["organization", "type", "recorded_at"], name="event_of_type"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Job(WireRow):
    """One obligation: what must be done, when it is due, and how far it got (design.md D1)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=50)
    queue = models.CharField(max_length=12, choices=[(queue.value, queue.value) for queue in Queue])
    key = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    state = models.CharField(
        max_length=12, choices=[(state.value, state.value) for state in JobState], default=JobState.WAITING
    )
    available_at = models.DateTimeField(db_default=Now())
    generation = models.PositiveIntegerField(default=1)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    dispatch_count = models.PositiveSmallIntegerField(default=0)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    failures = models.JSONField(default=list)
    correlation_id = models.UUIDField(null=True)
    event_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "key"], condition=OPEN, name="one_open_job_per_key"),
        ]
        indexes = [
            models.Index(
                fields=["queue", "organization", "available_at"], condition=Q(state="waiting"), name="job_due"
            ),
            models.Index(
                fields=["queue", "organization"], condition=Q(state__in=["dispatched", "running"]), name="job_in_flight"
            ),
            models.Index(fields=["organization", "correlation_id"], name="job_of_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class JobHistory(WireRow):
    """The summary of a job that ended. Partitioned by the day it ended; the partitions are made in SQL."""

    # In the table the key is (finished_at, id), for PostgreSQL wants the partition's column in it.
    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=50)
    queue = models.CharField(max_length=12)
    key = models.CharField(max_length=200)
    state = models.CharField(max_length=12)
    attempts = models.PositiveSmallIntegerField()
    dispatch_count = models.PositiveSmallIntegerField()
    failures = models.JSONField(default=list)
    correlation_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    available_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "routing_jobhistory"
        verbose_name_plural = "job history"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class DeadJob(Job):
    """A dead letter: a job that used up its attempts, or was refused for good."""

    class Meta:
        proxy = True
        verbose_name = "dead letter"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class ProcessBeat(models.Model):
    """The latest sign of life of one process.  slots: tasks it runs at a time.  queues: comma-separated names."""

    name = models.CharField(max_length=200, primary_key=True)
    role = models.CharField(max_length=12)
    queues = models.CharField(max_length=100, blank=True)
    slots = models.PositiveIntegerField(default=0)
    beat_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(F("beat_at"), name="beat_by_time")]

    def __str__(self) -> str:
        return self.name


class SlotLimit(OrganizationOwned):
    """A cut in how many slots of a queue an organization may use, because a sender of its hangs."""

    queue = models.CharField(max_length=12)
    max_slots = models.PositiveSmallIntegerField()
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "queue"], name="one_limit_per_queue")]

    def __str__(self) -> str:
        return f"{self.queue} {self.organization_id}"


class FollowerPosition(models.Model):
    """How far a follower of the event log has read: the last event it folded, in commit order."""

    name = models.CharField(max_length=50, primary_key=True)
    xact_id = models.BigIntegerField(default=0)
    event_id = models.UUIDField(null=True)
    moved_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
