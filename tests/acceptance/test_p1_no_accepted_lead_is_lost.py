"""P1: once a request got its 2xx, killing any process, or losing all of Redis, costs seconds and not leads."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.db import connection

from swiftex.celery import app
from swiftex.database import fetch_all
from swiftex.ids import public_id
from tests.acceptance.patient import Load, under_load
from tests.acceptance.shop import Shop, assert_reached_once, somebody

COUNT = 40
PROCESSES = ["web", "relay", "worker-greeting", "worker-reply", "worker-background", "beat"]


def assert_none_is_lost(shop: Shop, load: Load, *, within_s: float = 40) -> None:
    """Every lead that got its 2xx is there once and was greeted; the end of each is visible."""
    states = shop.all_ended(len(load.submissions), within_s=within_s)
    assert len(load.lead_ids) == len(load.submissions)
    assert {public_id("lead", lead.id) for lead in shop.leads} == load.lead_ids
    assert len(shop.events("lead.created")) == len(load.submissions)
    assert states == {"greeted": len(load.submissions)}
    assert_reached_once(shop, load.people)


@pytest.mark.parametrize("process", ["web", "relay", "worker-greeting", "beat"])
def test_killing_a_process_under_load_loses_no_lead(new_shop, stack, process):
    shop = new_shop(greeting={"unknown_wait_s": 1})
    shop.dial("whatsapp", median_ms=50, statuses=[])

    with under_load(shop, count=COUNT, per_s=20) as load:
        time.sleep(0.7)
        stack.kill(process)

    assert_none_is_lost(shop, load)
    assert load.statuses <= {202, 409, 503, None}
    if process != "web":
        assert load.statuses == {202}


def test_every_connection_to_the_database_cut_under_load_loses_no_lead(new_shop, stack):
    shop = new_shop(greeting={"unknown_wait_s": 1})
    shop.dial("whatsapp", median_ms=50, statuses=[])

    with under_load(shop, count=COUNT, per_s=20) as load:
        time.sleep(0.7)
        fetch_all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    assert load.statuses <= {202, 409, 503}
    assert_none_is_lost(shop, load)


def test_messages_that_mean_nothing_do_not_hold_up_the_queue(shop):
    for name, arguments in (
        ("no_such_job", []),
        ("greet_lead", []),
        ("greet_lead", ["no id", "no id", "no number"]),
        ("greet_lead", [str(uuid.uuid4()), str(shop.organization_id), 1]),
        ("greet_lead", [str(uuid.uuid4()), str(uuid.uuid4()), 1, "what a newer sender adds"]),
    ):
        app.send_task(name, args=arguments, queue="greeting")

    lead = shop.ended(shop.submit(), within_s=5)

    assert lead.greeting_state == "greeted"


def test_redis_flushed_under_load_loses_no_lead(shop, stack):
    server = redis.Redis.from_url(stack.env["REDIS_URL"])
    stack.freeze("worker-greeting")

    with under_load(shop, count=COUNT, per_s=20) as load:
        for _ in range(3):
            time.sleep(0.4)
            server.flushall()
        # What was on its way to the workers is gone, and the rows are not.
        stack.thaw("worker-greeting")

    assert load.statuses == {202}
    assert_none_is_lost(shop, load)


def test_leads_are_captured_while_redis_is_gone_and_greeted_when_it_is_back(shop, stack):
    before = _pids(stack)

    with under_load(shop, count=COUNT, per_s=20) as load:
        time.sleep(0.5)
        stack.stop_service("redis")
        time.sleep(2.5)
    assert not stack.pids("redis")
    assert load.statuses == {202}
    stack.start_service("redis")

    assert_none_is_lost(shop, load)
    assert _pids(stack) == before


def test_capture_does_not_wait_for_a_broker_that_hangs(shop, stack):
    stack.freeze("redis")

    took_s = []
    for _ in range(5):
        began = time.monotonic()
        shop.submit()
        took_s.append(time.monotonic() - began)
    stack.thaw("redis")

    assert max(took_s) < 2
    assert shop.all_ended(5, within_s=40) == {"greeted": 5}
    assert len(shop.messages()) == 5


@pytest.mark.parametrize("fault", ["frozen", "stopped"])
def test_without_the_database_nothing_is_accepted_and_afterwards_all_goes_on(shop, stack, fault):
    before = _pids(stack)
    shop.all_ended(len(shop.submit_many(3)))
    submissions = [(shop.body(somebody()), str(uuid.uuid4())) for _ in range(30)]
    connection.close()

    if fault == "frozen":
        stack.freeze("postgres")
    else:
        stack.stop_service("postgres")
    with ThreadPoolExecutor(4) as pool:  # as many as the web server has threads
        refused = list(pool.map(lambda submission: _timed(shop, *submission), submissions))
    if fault == "frozen":
        stack.thaw("postgres")
    else:
        stack.start_service("postgres")

    assert [answer.status_code for answer, _ in refused] == [503] * 30
    assert all(int(answer.headers["Retry-After"]) > 0 for answer, _ in refused)
    assert all(answer.headers["Content-Type"] == "application/problem+json" for answer, _ in refused)
    assert max(took_s for _, took_s in refused) < 2
    accepted = [_until_accepted(shop, *submission) for submission in submissions]
    assert len({answer.json()["id"] for answer in accepted}) == 30
    assert shop.all_ended(33, within_s=40) == {"greeted": 33}
    assert len(shop.messages()) == 33
    assert _pids(stack) == before


def _pids(stack) -> dict[str, list[int]]:
    """Who runs: equal before and after means that nothing had to be started again."""
    return {name: stack.pids(name) for name in PROCESSES}


def _timed(shop: Shop, body: dict[str, object], key: str):
    began = time.monotonic()
    answer = shop.post(body, key=key)
    return answer, time.monotonic() - began


def _until_accepted(shop: Shop, body: dict[str, object], key: str):
    for _ in range(100):
        answer = shop.post(body, key=key)
        if answer.ok:
            return answer
        assert answer.status_code in {409, 503}
        time.sleep(0.1)
    raise AssertionError("no 2xx although the database is back")
