"""Facts and obligations in PostgreSQL: recording, claiming, finishing, failing, cancelling."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from routing import contracts, dead_letters, events, jobs, running, sweeper
from routing.dispatch import dispatch_due
from routing.events import NewEvent, event_recorded
from routing.jobs import NewJob, Postponed
from routing.models import DeadJob, Event, Job, JobHistory
from swiftex.celery import app
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.queues import Queue

pytestmark = pytest.mark.django_db(transaction=True)
RUNS: list[dict] = []
BEHAVIOUR: dict[str, Exception | None] = {"raises": None}


@jobs.job(kind="probe", queue=Queue.SYNC, attempts=3, lease_s=5)
def probe(**payload):
    RUNS.append(payload)
    if BEHAVIOUR["raises"]:
        raise BEHAVIOUR["raises"]


@pytest.fixture(autouse=True)
def _fresh():
    RUNS.clear()
    BEHAVIOUR["raises"] = None
    with app.connection_for_write() as broker:
        broker.default_channel.queue_purge("sync")


def enqueue(organization, key="probe:1", **more):
    with transaction.atomic():
        jobs.enqueue(NewJob(organization_id=organization.id, kind="probe", key=key, **more))
    return Job.objects.filter(organization=organization, key=key).first()


def dispatched(organization, **more):
    job = enqueue(organization, **more)
    Job.objects.filter(id=job.id).update(state="dispatched", dispatched_at=timezone.now(), dispatch_count=1)
    return job


def meet(job, generation=None):
    again = []
    running.run_job(
        jobs.kind_named("probe"),
        job_id=job.id,
        organization_id=job.organization_id,
        generation=generation or Job.objects.get(id=job.id).generation if Job.objects.filter(id=job.id) else 1,
        send_again=again.append,
    )
    return again


def a_fact(organization, **change):
    data = {"lead_id": str(uuid.uuid4()), "owner_id": None}
    return NewEvent(organization_id=organization.id, type="lead.assigned", subject="lead", data={**data, **change})


def test_a_fact_and_its_jobs_commit_or_vanish_together(organization):
    def wants_probe(sender, event, **_):
        return [NewJob(organization_id=event.organization_id, kind="probe", key=f"probe:{event.id}")]

    event_recorded.connect(wants_probe, sender="lead.assigned")
    try:
        with transaction.atomic():
            [recorded] = events.record(a_fact(organization))
        with transaction.atomic():
            events.record(a_fact(organization))
            transaction.set_rollback(True)
    finally:
        event_recorded.disconnect(wants_probe, sender="lead.assigned")

    assert [event.id for event in Event.objects.filter(organization=organization)] == [recorded.id]
    assert [job.event_id for job in Job.objects.filter(organization=organization)] == [recorded.id]


def test_a_fact_outside_a_transaction_is_refused(organization):
    with pytest.raises(RuntimeError, match="inside the transaction"):
        events.record(a_fact(organization))
    assert not Event.objects.filter(organization=organization).exists()


def test_a_fact_that_breaks_its_contract_is_not_stored(organization):
    with pytest.raises(contracts.ContractBroken), transaction.atomic():
        events.record(a_fact(organization), a_fact(organization, lead_id="17"))
    assert not Event.objects.filter(organization=organization).exists()


def test_a_second_job_of_an_open_key_is_not_written_and_of_an_ended_one_is(organization):
    first = enqueue(organization)
    enqueue(organization)
    assert Job.objects.filter(organization=organization).count() == 1

    Job.objects.filter(id=first.id).update(state="dispatched")
    meet(first)
    second = enqueue(organization)

    assert second is not None
    assert second.id != first.id
    assert [history.state for history in JobHistory.objects.filter(organization=organization)] == ["done"]


def test_the_database_itself_refuses_two_open_jobs_of_one_key(organization):
    enqueue(organization)
    with pytest.raises(IntegrityError):
        Job.objects.create(organization=organization, kind="probe", queue="sync", key="probe:1")


def test_a_job_runs_once_however_many_messages_carry_it(organization):
    job = dispatched(organization, payload={"lead_id": "x"})

    for _ in range(5):
        meet(job, generation=1)

    assert RUNS == [{"lead_id": "x"}]
    assert not Job.objects.filter(id=job.id).exists()


def test_a_message_of_an_older_generation_does_nothing(organization):
    job = dispatched(organization)
    assert jobs.rearm(organization_id=organization.id, key="probe:1", delay_s=0)
    Job.objects.filter(id=job.id).update(state="dispatched")

    meet(job, generation=1)
    assert RUNS == []

    meet(job, generation=2)
    assert len(RUNS) == 1


def test_a_worker_that_comes_early_sends_the_message_again_for_the_remaining_time(organization):
    job = dispatched(organization, delay_s=10)

    again = meet(job, generation=1)

    assert RUNS == []
    assert len(again) == 1
    assert 9 < again[0] <= 10


def test_a_failed_attempt_stores_its_next_time_and_reason(organization):
    BEHAVIOUR["raises"] = TemporaryFailure("crm answered 503", retry_after_s=120)
    job = dispatched(organization)

    meet(job)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.generation) == ("waiting", 1, 2)
    assert job.available_at > timezone.now() + timedelta(seconds=110)
    assert [(entry["attempt"], entry["error"]) for entry in job.failures] == [(1, "crm answered 503")]


def test_the_last_failed_attempt_makes_a_dead_letter_that_can_be_retried_and_discarded(organization):
    BEHAVIOUR["raises"] = TemporaryFailure("crm answered 503")
    job = dispatched(organization)
    for _ in range(3):
        Job.objects.filter(id=job.id).update(state="dispatched", available_at=timezone.now())
        meet(job)
    dead = DeadJob.objects.get(organization=organization, state="dead")
    assert [entry["attempt"] for entry in dead.failures] == [1, 2, 3]

    assert dead_letters.retry(organization_id=organization.id, job_ids=[dead.id]) == 1
    BEHAVIOUR["raises"] = PermanentFailure("no such lead")
    Job.objects.filter(id=job.id).update(state="dispatched")
    meet(job)

    dead.refresh_from_db()
    assert (dead.state, dead.attempts, dead.failures[-1]["error"]) == ("dead", 4, "no such lead")
    assert dead_letters.discard(organization_id=organization.id, job_ids=[dead.id]) == 1
    assert not Job.objects.filter(organization=organization).exists()
    assert JobHistory.objects.get(organization=organization).state == "cancelled"


def test_a_dead_letter_whose_key_is_open_again_stays_dead(organization):
    first = enqueue(organization)
    Job.objects.filter(id=first.id).update(state="dead")
    enqueue(organization)

    assert dead_letters.retry(organization_id=organization.id, job_ids=[first.id]) == 0


def test_another_organizations_dead_letter_is_out_of_reach(organization, other_organization):
    job = enqueue(organization)
    Job.objects.filter(id=job.id).update(state="dead")

    assert dead_letters.retry(organization_id=other_organization.id, job_ids=[job.id]) == 0
    assert dead_letters.discard(organization_id=other_organization.id, job_ids=[job.id]) == 0
    assert Job.objects.get(id=job.id).state == "dead"


def test_a_postponed_job_waits_without_losing_an_attempt(organization):
    BEHAVIOUR["raises"] = Postponed(30)
    job = dispatched(organization)

    meet(job)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.failures) == ("waiting", 0, [])
    assert job.available_at > timezone.now() + timedelta(seconds=25)


def test_an_unforeseen_error_is_stored_by_its_name_alone(organization):
    BEHAVIOUR["raises"] = ValueError("+919876543210 is not a lead")
    job = dispatched(organization)

    meet(job)

    job.refresh_from_db()
    assert job.failures[0]["error"] == "raised ValueError"


def test_a_finish_that_is_rolled_back_leaves_the_job_to_be_tried_again(organization):
    def finish_and_break(**_):
        with transaction.atomic():
            assert jobs.finish_here()
            raise TemporaryFailure("rolled back")

    kind = jobs.JobKind(name="probe", queue=Queue.SYNC, attempts=3, lease_s=5, function=finish_and_break)
    job = dispatched(organization)

    running.run_job(kind, job_id=job.id, organization_id=organization.id, generation=1, send_again=lambda _: None)

    job.refresh_from_db()
    assert (job.state, job.attempts) == ("waiting", 1)


def test_a_worker_that_lost_its_lease_changes_nothing(organization):
    job = dispatched(organization)

    def lose_lease(**_):
        Job.objects.filter(id=job.id).update(lease_until=timezone.now() - timedelta(seconds=1))
        sweeper.sweep()

    kind = jobs.JobKind(name="probe", queue=Queue.SYNC, attempts=3, lease_s=5, function=lose_lease)
    running.run_job(kind, job_id=job.id, organization_id=organization.id, generation=1, send_again=lambda _: None)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.generation) == ("waiting", 1, 2)
    assert job.failures[0]["error"] == "the worker died or lost its lease"
    assert not JobHistory.objects.filter(organization=organization).exists()


def test_cancelling_takes_what_is_queued_of_those_leads_and_nothing_else(organization, other_organization):
    lead, other_lead = uuid.uuid4(), uuid.uuid4()
    enqueue(organization, key="a", correlation_id=lead)
    waiting = enqueue(organization, key="b", correlation_id=lead, delay_s=1000)
    Job.objects.filter(id=waiting.id).update(state="running")
    enqueue(organization, key="c", correlation_id=other_lead)
    enqueue(other_organization, key="a", correlation_id=lead)

    assert jobs.cancel(organization_id=organization.id, correlation_ids=[lead]) == 1

    assert set(Job.objects.values_list("organization__slug", "key")) == {
        (organization.slug, "b"),
        (organization.slug, "c"),
        (other_organization.slug, "a"),
    }
    with pytest.raises(ValueError, match="name the jobs"):
        jobs.cancel(organization_id=organization.id)


def test_an_unknown_kind_is_refused_when_it_is_owed_not_when_it_is_due(organization):
    with pytest.raises(jobs.UnknownKind), transaction.atomic():
        jobs.enqueue(NewJob(organization_id=organization.id, kind="nobody_does_this", key="x"))


def state_counts(organization):
    counts = {}
    for state in Job.objects.filter(organization=organization).values_list("state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts


def test_dispatch_keeps_to_the_credits_and_shares_them_evenly(organization, other_organization):
    with transaction.atomic():
        jobs.enqueue(
            *[NewJob(organization_id=organization.id, kind="probe", key=f"a{n}") for n in range(40)],
            *[NewJob(organization_id=other_organization.id, kind="probe", key=f"b{n}") for n in range(40)],
        )

    dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4})

    assert state_counts(organization) == {"dispatched": 15, "waiting": 25}
    assert state_counts(other_organization) == {"dispatched": 15, "waiting": 25}


def test_one_organization_alone_leaves_a_tenth_of_the_slots_to_a_newcomer(organization, other_organization):
    with transaction.atomic():
        jobs.enqueue(*[NewJob(organization_id=organization.id, kind="probe", key=f"a{n}") for n in range(40)])
    dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4})
    dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4})
    assert state_counts(organization) == {"dispatched": 18, "waiting": 22}

    enqueue(other_organization, key="b1")
    dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4})

    assert state_counts(other_organization) == {"dispatched": 1}


def test_a_hanging_sender_is_cut_to_a_few_probing_slots(organization):
    from routing import pressure

    pressure.limit_organization(organization_id=organization.id, queue=Queue.SYNC, for_s=30)
    with transaction.atomic():
        jobs.enqueue(*[NewJob(organization_id=organization.id, kind="probe", key=f"a{n}") for n in range(40)])

    dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4})

    assert state_counts(organization) == {"dispatched": 3, "waiting": 37}


def test_the_sooner_due_goes_first_within_an_organization(organization):
    with transaction.atomic():
        jobs.enqueue(
            *[NewJob(organization_id=organization.id, kind="probe", key=f"k{n}", delay_s=-n) for n in range(10)]
        )

    dispatch_due([Queue.SYNC], slots={Queue.SYNC: 1})

    assert set(Job.objects.filter(state="dispatched").values_list("key", flat=True)) == {"k9", "k8", "k7", "k6"}


def test_what_is_not_due_stays_where_it_is(organization):
    enqueue(organization, delay_s=3600)

    assert dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4}) == 0
    assert state_counts(organization) == {"waiting": 1}


def test_another_relay_at_the_same_queue_is_left_alone(organization):
    enqueue(organization)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [0x51F7, 3])
            assert dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4}) == 0
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [0x51F7, 3])
    finally:
        other.close()

    assert dispatch_due([Queue.SYNC], slots={Queue.SYNC: 4}) == 1


def test_a_message_that_the_broker_lost_is_sent_again_and_an_unclaimed_one_dies_in_the_end(organization):
    job = dispatched(organization)
    Job.objects.filter(id=job.id).update(dispatched_at=timezone.now() - timedelta(seconds=30))
    sweeper.sweep()
    assert Job.objects.get(id=job.id).state == "dispatched"

    long_ago = timezone.now() - timedelta(seconds=70)
    Job.objects.filter(id=job.id).update(dispatched_at=long_ago, available_at=long_ago)
    sweeper.sweep()
    assert Job.objects.get(id=job.id).state == "waiting"

    Job.objects.filter(id=job.id).update(
        state="dispatched", dispatched_at=long_ago, available_at=long_ago, dispatch_count=25
    )
    sweeper.sweep()
    assert Job.objects.get(id=job.id).state == "dead"
