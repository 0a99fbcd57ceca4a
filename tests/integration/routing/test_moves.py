"""The statements of routing/sql.py make exactly the moves that routing/job_states.py allows."""

import itertools
import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from routing import dead_letters, jobs, running, sweeper
from routing.dispatch import dispatch_due
from routing.job_states import JobState, may_move
from routing.jobs import JobKind, NewJob, Postponed
from routing.models import Job, JobHistory
from swiftex.failures import PermanentFailure, TemporaryFailure
from swiftex.queues import Queue

pytestmark = pytest.mark.django_db(transaction=True)

WATCH = """
CREATE TABLE seen_moves (before text, after text);
CREATE FUNCTION see_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen_moves VALUES (OLD.state, NEW.state); RETURN NEW; END $$;
CREATE TRIGGER see_move BEFORE UPDATE ON routing_job FOR EACH ROW WHEN (OLD.state <> NEW.state)
    EXECUTE FUNCTION see_move();
"""
UNWATCH = "DROP TRIGGER see_move ON routing_job; DROP FUNCTION see_move; DROP TABLE seen_moves"


@jobs.job(kind="walker", queue=Queue.SYNC, attempts=3, lease_s=5)
def walker(**_: object) -> None:
    """Replaced by what a test wants to happen."""


@pytest.fixture
def moves(organization) -> Callable[[], set[tuple[str, str]]]:
    """What rows of jobs went through since the test began; ends come from the history."""
    with connection.cursor() as cursor:
        cursor.execute(WATCH)

    def seen() -> set[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT before, after FROM seen_moves")
            return set(cursor.fetchall())

    yield seen
    with connection.cursor() as cursor:
        cursor.execute(UNWATCH)


class Walk:
    """One job of an organization, and everything that can be done to it."""

    def __init__(self, organization) -> None:
        self.organization_id = organization.id
        self.numbers = itertools.count()
        self.ended: set[tuple[str, str]] = set()
        self.steps = [
            self.dispatch, self.succeed, self.fail, self.fail_for_good, self.postpone, self.die_at_work,
            self.lose_message, self.lose_message_for_the_last_time, self.cancel, self.retry_dead, self.discard_dead,
        ]  # fmt: skip

    def take(self, step: Callable[[Job], object]) -> None:
        """The step is tried on the open job, or on a new one when there is none, whatever its state is."""
        if not Job.objects.filter(organization_id=self.organization_id).exists():
            jobs.enqueue(NewJob(organization_id=self.organization_id, kind="walker", key=f"k{next(self.numbers)}"))
        job = Job.objects.get(organization_id=self.organization_id)
        step(job)
        if end := JobHistory.objects.filter(organization_id=self.organization_id, id=job.id).first():
            # A run claims the row before it ends it.
            self.ended.add(("running" if end.state == "done" else job.state, end.state))

    def dispatch(self, job: Job) -> None:
        dispatch_due([Queue.SYNC], slots={Queue.SYNC: 10})

    def succeed(self, job: Job) -> None:
        self._run(job, None)

    def fail(self, job: Job) -> None:
        self._run(job, TemporaryFailure("busy"))
        Job.objects.filter(id=job.id).update(available_at=timezone.now() - timedelta(seconds=1))

    def fail_for_good(self, job: Job) -> None:
        self._run(job, PermanentFailure("no"))

    def postpone(self, job: Job) -> None:
        self._run(job, Postponed(0.0))

    def die_at_work(self, job: Job) -> None:
        def vanish() -> None:
            Job.objects.filter(id=job.id).update(lease_until=timezone.now() - timedelta(seconds=1))
            sweeper.sweep()

        self._run(job, vanish)

    def lose_message(self, job: Job, *, dispatch_count: int = 1) -> None:
        long_ago = timezone.now() - timedelta(seconds=9_000)
        rows = Job.objects.filter(id=job.id, state="dispatched")
        if rows.update(dispatched_at=long_ago, available_at=long_ago, dispatch_count=dispatch_count):
            _empty_queue()
            sweeper.sweep()

    def lose_message_for_the_last_time(self, job: Job) -> None:
        self.lose_message(job, dispatch_count=sweeper.MOST_DISPATCHES)

    def cancel(self, job: Job) -> None:
        jobs.cancel(organization_id=self.organization_id, keys=[job.key])

    def retry_dead(self, job: Job) -> None:
        dead_letters.retry(organization_id=self.organization_id, job_ids=[job.id])

    def discard_dead(self, job: Job) -> None:
        dead_letters.discard(organization_id=self.organization_id, job_ids=[job.id])

    def _run(self, job: Job, what: Exception | Callable[[], None] | None) -> None:
        def work(**_: object) -> None:
            if isinstance(what, Exception):
                raise what
            if what is not None:
                what()

        kind = JobKind(name="walker", queue=Queue.SYNC, attempts=3, lease_s=5, function=work)
        running.run_job(
            kind, job_id=job.id, organization_id=self.organization_id, generation=job.generation,
            send_again=lambda _: None,
        )  # fmt: skip


def _empty_queue() -> None:
    from swiftex.celery import app

    with app.connection_for_write() as broker:
        broker.default_channel.queue_purge("sync")


def test_no_step_makes_a_move_that_is_not_allowed_and_every_allowed_one_is_made(organization, moves) -> None:
    walk, chance = Walk(organization), random.Random(2)
    for _ in range(600):
        walk.take(chance.choice(walk.steps))

    seen = moves() | walk.ended
    allowed = {(here.value, there.value) for here in JobState for there in JobState if may_move(here, to=there)}
    assert seen - allowed == set()
    assert allowed - seen == set()
