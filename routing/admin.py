"""What whoever is on call looks at: facts, obligations, their history, and dead letters to try again or discard."""

from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display

from accounts.admin_base import ReadOnlyScopedAdmin, after_dialog, ask
from accounts.admin_values import as_list, as_table
from routing import dead_letters
from routing.job_states import JobState
from routing.models import DeadJob, Event, Job, JobHistory

STATE_COLOURS = {
    "waiting": "info",
    "dispatched": "info",
    "running": "warning",
    "done": "success",
    "cancelled": "secondary",
    "dead": "danger",
}


@admin.register(Event)
class EventAdmin(ReadOnlyScopedAdmin):
    """The log of facts."""

    list_display = ["type", "version", "subject", "recorded_at", "correlation_id"]
    list_filter = ["type", "recorded_at"]
    search_fields = ["=correlation_id", "=id", "subject"]
    search_help_text = "An event id, a subject, or a lead's id"
    ordering = ["-recorded_at"]
    date_hierarchy = "recorded_at"
    fields = ["id", "type", "version", "subject", "shown_data", "occurred_at", "recorded_at", "correlation_id"]
    readonly_fields = fields

    @display(description="data")
    def shown_data(self, event: Event) -> str:
        """The data of the event."""
        return as_table(event.data)


class JobPage(ReadOnlyScopedAdmin):
    """What pages of jobs share."""

    list_display = ["kind", "key", "shown_state", "queue", "attempts", "available_at", "last_error"]
    list_filter = ["state", "kind", "queue"]
    search_fields = ["key", "=correlation_id", "=id"]
    search_help_text = "A key, a job id, or a lead's id"
    ordering = ["-available_at"]
    fields = [
        "id", "kind", "key", "queue", "state", "shown_payload", "attempts", "max_attempts", "shown_failures",
        "dispatch_count", "generation", "created_at", "available_at", "dispatched_at", "started_at", "lease_until",
        "correlation_id", "event_id",
    ]  # fmt: skip
    readonly_fields = fields

    @display(description="state", label=STATE_COLOURS)
    def shown_state(self, job: Job) -> str:
        """The state, in its colour."""
        return str(job.state)

    @display(description="last error")
    def last_error(self, job: Job) -> str:
        """Why the latest attempt failed."""
        return str(job.failures[-1].get("error", "")) if job.failures else ""

    @display(description="payload")
    def shown_payload(self, job: Job) -> str:
        """What the job was told."""
        return as_table(job.payload)

    @display(description="failed attempts")
    def shown_failures(self, job: Job) -> str:
        """Every failed attempt with its time and reason."""
        return as_list(job.failures)


@admin.register(Job)
class JobAdmin(JobPage):
    """Everything that is owed now."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Open jobs; the dead have a page of their own."""
        return super().get_queryset(request).exclude(state=JobState.DEAD)


@admin.register(DeadJob)
class DeadJobAdmin(JobPage):
    """Jobs that gave up: look, try again, discard; one by one from their pages or in bulk from the list."""

    list_filter = ["kind", "queue"]
    actions = ["retry_chosen", "discard_chosen"]
    actions_detail = ["retry_this", "discard_this"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """The dead."""
        return super().get_queryset(request).filter(state=JobState.DEAD)

    @action(
        description="Try again",
        permissions=["act"],
        dialog=ask("Try this job again?", "It is due at once, with 3 more attempts.", "Try again"),
    )
    def retry_this(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """The job waits again."""
        self.retry_chosen(request, self.get_queryset(request).filter(pk=object_id))
        return self._back_to_list()

    @action(
        description="Discard",
        permissions=["act"],
        dialog=ask("Discard this job?", "What it owed will not be done. Its summary stays in the history.", "Discard"),
    )
    def discard_this(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """The job is in the history as cancelled."""
        self.discard_chosen(request, self.get_queryset(request).filter(pk=object_id))
        return self._back_to_list()

    def _back_to_list(self) -> HttpResponse:
        return after_dialog(reverse("admin:routing_deadjob_changelist"))

    @admin.action(description="Try again", permissions=["act"])
    def retry_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """The chosen jobs wait again."""
        count = sum(
            dead_letters.retry(organization_id=organization_id, job_ids=ids)
            for organization_id, ids in _by_organization(queryset)
        )
        self.message_user(request, f"{count} to be tried again.", messages.SUCCESS)

    @admin.action(description="Discard", permissions=["act"])
    def discard_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """The chosen jobs are in the history as cancelled."""
        count = sum(
            dead_letters.discard(organization_id=organization_id, job_ids=ids)
            for organization_id, ids in _by_organization(queryset)
        )
        self.message_user(request, f"{count} discarded.", messages.SUCCESS)


@admin.register(JobHistory)
class JobHistoryAdmin(ReadOnlyScopedAdmin):
    """Jobs that ended."""

    list_display = ["kind", "key", "shown_state", "queue", "attempts", "started_at", "finished_at"]
    list_display_links = None
    list_filter = ["state", "kind", "queue"]
    search_fields = ["key", "=correlation_id", "=id"]
    ordering = ["-finished_at"]

    @display(description="state", label=STATE_COLOURS)
    def shown_state(self, job: JobHistory) -> str:
        """The state, in its colour."""
        return str(job.state)


def _by_organization(queryset: QuerySet[Job]) -> list[tuple[UUID, list[UUID]]]:
    ids: dict[UUID, list[UUID]] = {}
    for organization_id, job_id in queryset.values_list("organization_id", "id"):
        ids.setdefault(organization_id, []).append(job_id)
    return list(ids.items())
