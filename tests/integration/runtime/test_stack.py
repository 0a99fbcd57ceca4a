"""The whole stack as the other tests use it."""

import signal
import time
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

from swiftex.runtime import leftovers


def test_everything_runs_and_is_ready(stack):
    with urlopen(f"{stack.base_url}/readyz", timeout=5) as answer:
        assert answer.status == 200

    running = {name: len(stack.pids(name)) for name in stack.counts}
    assert running == stack.counts


def test_the_orm_sees_the_database_of_the_stack(stack):
    with connection.cursor() as cursor:
        cursor.execute("SHOW port")
        assert cursor.fetchone()[0] in stack.env["DATABASE_URL"]
        cursor.execute("SELECT count(*) FROM django_migrations")
        assert cursor.fetchone()[0] > 0
    assert stack.env["REDIS_URL"] == settings.REDIS_URL


def test_a_killed_worker_comes_back(stack):
    before = stack.pids("worker-greeting")

    stack.kill("worker-greeting.1")
    stack.kill("worker-greeting.2", starts_again=False)

    _until(lambda: len(stack.pids("worker-greeting")) == 1 and stack.pids("worker-greeting.1") != before[:1])
    assert stack.pids("worker-greeting.2") == []
    stack.start_process("worker-greeting.2")
    assert len(stack.pids("worker-greeting")) == 2


def test_redis_can_be_stopped_and_started(stack):
    stack.stop_service("redis")
    assert stack.pids("redis") == []

    stack.start_service("redis")

    stack.wait_until_ready()


def test_a_frozen_database_goes_on(stack):
    stack.freeze("postgres")
    stack.thaw("postgres")

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_use_is_told_by_kind(stack):
    cpu_seconds, memory_bytes = stack.cpu_seconds_by_process(), stack.memory_by_process()

    assert set(cpu_seconds) == set(memory_bytes) == {*stack.counts, "postgres", "redis"}
    assert cpu_seconds["beat"] > 0.1
    assert memory_bytes["beat"] > 20_000_000


def test_what_a_test_broke_is_made_whole(stack):
    stack.kill("relay.1", starts_again=False)
    stack.freeze("web")
    stack.kill("postgres", signal.SIGKILL, starts_again=False)
    _until(lambda: not stack.pids("postgres"))

    stack.make_whole()

    assert {name: len(stack.pids(name)) for name in stack.counts} == stack.counts
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_all_that_runs_carries_the_mark(stack):
    marked = leftovers.pids_of(f"{leftovers.STACK}={stack.folder}")

    assert {pid for name in stack.counts for pid in stack.pids(name)} <= set(marked)


def test_the_web_server_leaves_no_worker_behind(stack):
    mark = f"{leftovers.STACK}={stack.folder}"
    before = {pid for pid in leftovers.pids_of(mark) if pid in leftovers.pids_of("SWIFTEX_PROCESS=web.1")}

    stack.kill("web.1")

    _until(lambda: not before & set(leftovers.pids_of(mark)))
    stack.wait_until_ready()


def _until(is_true, within_s=30):
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
