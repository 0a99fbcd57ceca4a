"""Redis hurries and may go away: rates, counts, kicks, fingerprints, locks; with it, without it, and with it frozen."""

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from swiftex.coordination import breakers, connection, fingerprints, kick, locks, windows


@pytest.fixture
def name():
    return uuid.uuid4().hex


@pytest.fixture(autouse=True)
def _fresh_clients():
    _forget_clients()
    yield
    _forget_clients()


def _forget_clients():
    for each in (connection.client, connection.waiting_client):
        each.cache_clear()
    connection.breaker._skip_until = 0.0


@pytest.fixture
def redis_url(settings):
    return settings.REDIS_URL


@pytest.fixture
def without_redis(settings, redis_url):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    _forget_clients()


@pytest.fixture
def frozen_redis(settings):
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        _forget_clients()
        yield


def seconds_of(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


# --- rates


def test_a_full_bucket_gives_its_burst_and_then_says_how_long_to_wait(name):
    waits = [windows.take_token(name, rate_per_s=10, burst=3) for _ in range(5)]

    assert waits[:3] == [0.0] * 3
    assert all(0.05 < wait <= 0.1 for wait in waits[3:])


def test_tokens_come_back_at_the_rate(name):
    for _ in range(3):
        windows.take_token(name, rate_per_s=20, burst=3)
    wait = windows.take_token(name, rate_per_s=20, burst=3)

    time.sleep(wait + 0.01)

    assert windows.take_token(name, rate_per_s=20, burst=3) == 0.0
    assert windows.take_token(name, rate_per_s=20, burst=3) > 0


def test_fifty_callers_at_once_get_exactly_the_burst(name):
    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(lambda _: windows.take_token(name, rate_per_s=0.1, burst=10), range(50)))

    assert waits.count(0.0) == 10


def test_without_redis_a_process_grants_its_share_of_the_rate(name, without_redis, settings):
    settings.SWIFTEX_FALLBACK_PROCESSES = 2

    waits = [windows.take_token(name, rate_per_s=0.1, burst=10) for _ in range(10)]

    assert waits.count(0.0) == 5
    assert all(wait > 0 for wait in waits[5:])


# --- counts


def test_fifty_callers_at_once_are_counted_exactly(name):
    with ThreadPoolExecutor(16) as threads:
        counted = list(threads.map(lambda _: windows.count(name, limit=10, window_s=60), range(50)))

    assert sum(each.allowed for each in counted) == 10
    assert sorted(each.remaining for each in counted if each.allowed) == list(range(10))
    assert all(0 < each.retry_after_s <= 60 for each in counted if not each.allowed)


def test_a_window_ends(name):
    assert windows.count(name, limit=1, window_s=0.1).allowed
    assert not windows.count(name, limit=1, window_s=0.1).allowed
    time.sleep(0.12)
    assert windows.count(name, limit=1, window_s=0.1).allowed


def test_without_redis_counts_grant_a_share_or_everything_as_told(name, without_redis, settings):
    settings.SWIFTEX_FALLBACK_PROCESSES = 2

    shared = [windows.count(name, limit=10, window_s=60).allowed for _ in range(10)]
    opened = [windows.count(name, limit=10, window_s=60, fails_open=True).allowed for _ in range(20)]

    assert shared == [True] * 5 + [False] * 5
    assert all(opened)


# --- what a dead or frozen Redis costs


def test_a_dead_redis_costs_almost_nothing(name, without_redis):
    assert seconds_of(lambda: [windows.count(name, limit=10, window_s=1) for _ in range(200)]) < 0.3


def test_a_frozen_redis_costs_one_timeout_a_second(name, frozen_redis):
    assert seconds_of(lambda: [fingerprints.is_known(name) for _ in range(200)]) < 0.9


def test_redis_is_asked_again_a_second_after_it_failed(name, redis_url, without_redis, settings):
    assert fingerprints.seen(name, 60) is False
    settings.REDIS_URL = redis_url
    connection.client.cache_clear()
    time.sleep(connection.SKIP_AFTER_FAILURE_S + 0.05)

    assert fingerprints.seen(name, 60) is False
    assert fingerprints.seen(name, 60) is True


# --- kicks


def _drain():
    while kick.wait_for_kick(0.05):
        pass


def test_a_kick_wakes_a_waiting_relay_at_once():
    _drain()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: (kick.wait_for_kick(1.0), time.monotonic()))
        time.sleep(0.1)
        kicked_at = time.monotonic()
        kick.kick_relay()
        woke, woke_at = waiting.result()

    assert woke
    assert woke_at - kicked_at < 0.2


def test_many_kicks_become_few_and_one_is_never_lost():
    _drain()
    for _ in range(100):
        kick.kick_relay()
    time.sleep(0.1)

    assert kick.wait_for_kick(0.2)
    assert not kick.wait_for_kick(0.05)


def test_nobody_kicks_and_the_wait_ends():
    _drain()
    assert 0.08 < seconds_of(lambda: kick.wait_for_kick(0.1)) < 0.4


def test_kicking_never_waits_for_redis(frozen_redis):
    assert seconds_of(lambda: [kick.kick_relay() for _ in range(100)]) < 0.05


def test_waiting_without_redis_waits_that_long_and_does_not_spin(without_redis):
    assert 0.19 < seconds_of(lambda: kick.wait_for_kick(0.2)) < 0.5


# --- fingerprints, locks, breakers


def test_a_fingerprint_is_known_from_when_it_was_remembered_until_its_time_is_over(name):
    assert not fingerprints.is_known(name)
    fingerprints.remember(name, 0.1)
    assert fingerprints.is_known(name)
    time.sleep(0.12)
    assert not fingerprints.is_known(name)


def test_seen_says_yes_from_the_second_time_on_and_forgetting_starts_anew(name):
    assert [fingerprints.seen(name, 60) for _ in range(3)] == [False, True, True]
    fingerprints.forget(name)
    assert not fingerprints.seen(name, 60)


def test_without_redis_nothing_was_ever_seen(name, without_redis):
    assert [fingerprints.seen(name, 60) for _ in range(3)] == [False] * 3


def test_a_lock_is_held_by_one_and_free_afterwards(name):
    with locks.hold(name, ttl_s=60) as first, locks.hold(name, ttl_s=60) as second:
        assert (first, second) == (True, False)
    with locks.hold(name, ttl_s=60) as again:
        assert again


def test_a_lock_that_outlived_its_time_is_not_taken_from_its_next_owner(name):
    with locks.hold(name, ttl_s=0.05) as first:
        time.sleep(0.08)
        second = locks.hold(name, ttl_s=60)
        assert first
        assert second.__enter__()
    with locks.hold(name, ttl_s=60) as third:
        assert not third
    second.__exit__(None, None, None)


def test_a_breaker_opens_after_five_failures_in_a_row_and_closes_with_a_success(name):
    for _ in range(4):
        breakers.failed(name)
    assert breakers.allows(name)
    breakers.failed(name)
    assert not breakers.allows(name)
    breakers.succeeded(name)
    assert breakers.allows(name)


def test_an_open_breaker_lets_one_probe_through_when_its_time_is_over(name, monkeypatch):
    monkeypatch.setattr(breakers, "_OPEN_FOR_S", 0.05)
    for _ in range(5):
        breakers.failed(name)
    time.sleep(0.06)

    assert [breakers.allows(name) for _ in range(3)] == [True, False, False]
