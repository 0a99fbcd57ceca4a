"""A model that keeps failing is left alone for a while, and probed one call at a time."""

from conversations.engine.breaker import (
    FAILED_STRIKES,
    FIRST_PAUSE_S,
    HOPELESS_STRIKES,
    LATE_STRIKES,
    LONGEST_PAUSE_S,
    Breaker,
)


def test_late_answers_open_it_only_after_many_in_a_row():
    breaker = Breaker()

    for _ in range(19):
        breaker.failed(strikes=LATE_STRIKES, now_s=100.0)
    assert breaker.allow(now_s=100.0)
    breaker.failed(strikes=LATE_STRIKES, now_s=100.0)

    assert not breaker.allow(now_s=100.0)


def test_an_answer_in_time_wipes_the_slate():
    breaker = Breaker()
    for _ in range(19):
        breaker.failed(strikes=LATE_STRIKES, now_s=100.0)

    breaker.succeeded()
    breaker.failed(strikes=LATE_STRIKES, now_s=100.0)

    assert breaker.allow(now_s=100.0)


def test_failed_calls_open_it_sooner_and_a_wrong_key_at_once():
    failing, hopeless = Breaker(), Breaker()

    for _ in range(5):
        failing.failed(strikes=FAILED_STRIKES, now_s=0.0)
    hopeless.failed(strikes=HOPELESS_STRIKES, now_s=0.0)

    assert not failing.allow(now_s=0.0)
    assert not hopeless.allow(now_s=0.0)


def test_one_probe_at_a_time_decides():
    breaker = Breaker()
    breaker.failed(strikes=HOPELESS_STRIKES, now_s=0.0)

    assert not breaker.allow(now_s=FIRST_PAUSE_S - 0.1)
    assert breaker.allow(now_s=FIRST_PAUSE_S)
    assert not breaker.allow(now_s=FIRST_PAUSE_S)
    breaker.succeeded()

    assert breaker.allow(now_s=FIRST_PAUSE_S)
    assert breaker.allow(now_s=FIRST_PAUSE_S)


def test_failed_probes_lengthen_the_pause_up_to_its_cap():
    breaker, now_s, pauses = Breaker(), 0.0, []
    breaker.failed(strikes=HOPELESS_STRIKES, now_s=now_s)

    for _ in range(6):
        pauses.append(breaker.retry_at_s - now_s)
        now_s = breaker.retry_at_s
        assert breaker.allow(now_s=now_s)
        breaker.failed(strikes=FAILED_STRIKES, now_s=now_s)

    assert pauses == [2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_stragglers_from_before_the_opening_do_not_lengthen_the_pause():
    breaker = Breaker()
    for _ in range(60):
        breaker.failed(strikes=LATE_STRIKES, now_s=0.0)

    assert breaker.allow(now_s=FIRST_PAUSE_S)


def test_a_probe_that_never_reports_makes_room_for_another():
    breaker = Breaker()
    breaker.failed(strikes=HOPELESS_STRIKES, now_s=0.0)

    assert breaker.allow(now_s=2.0, probe_s=5.0)
    assert not breaker.allow(now_s=6.9)
    assert breaker.allow(now_s=7.0)


def test_the_models_own_wish_is_obeyed():
    breaker = Breaker()
    breaker.failed(strikes=HOPELESS_STRIKES, now_s=0.0, retry_after_s=10.0)

    assert not breaker.allow(now_s=9.9)
    assert breaker.allow(now_s=10.0)
