"""The next step after any history of attempts: each channel once, nobody who said stop, never for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_out.delivery import HOLDING_STATES, RECEIPT_RANKS, AttemptState, Receipt
from channels_out.fallback import (
    MAX_ATTEMPTS_PER_CHANNEL,
    ErrorClass,
    GiveUp,
    Reached,
    Retry,
    Send,
    Tried,
    Wait,
    next_step,
)

FAILED = RECEIPT_RANKS[Receipt.FAILED]
CHANNELS = ("wa", "sms", "voice")


def step(*tried, channels=("wa", "sms"), wait=20.0, has_template=True):
    return next_step(channels=channels, tried=tried, unknown_wait_s=wait, has_template=has_template)


def refused(channel="wa", error=ErrorClass.NEXT, **more):
    return Tried(channel=channel, state=AttemptState.REFUSED, error=error, **more)


CASES = [
    ((), Send(channel="wa")),
    ((Tried(channel="wa", state=AttemptState.ACCEPTED),), Reached()),
    (
        (Tried(channel="wa", state=AttemptState.ACCEPTED, receipt_rank=FAILED, error=ErrorClass.NEXT),),
        Send(channel="sms"),
    ),
    ((Tried(channel="wa", state=AttemptState.ACCEPTED, receipt_rank=RECEIPT_RANKS[Receipt.READ]),), Reached()),
    ((refused(),), Send(channel="sms")),
    ((refused(error=ErrorClass.RETRY),), Send(channel="sms")),
    ((refused(error=ErrorClass.CHANNEL),), Send(channel="sms")),
    ((refused(error=ErrorClass.BUG),), Send(channel="sms")),
    ((refused(error=ErrorClass.TEMPLATE),), Send(channel="wa", force_template=True)),
    ((refused(error=ErrorClass.TEMPLATE, as_template=True),), Send(channel="sms")),
    ((refused(error=ErrorClass.OPT_OUT),), GiveUp(reason="opted_out", suppressed=True)),
    ((refused(error=ErrorClass.STOP),), GiveUp(reason="refused_for_good")),
    ((Tried(channel="wa", state=AttemptState.UNKNOWN, waited_s=5),), Wait(seconds=15)),
    ((Tried(channel="wa", state=AttemptState.UNKNOWN, waited_s=21),), Send(channel="sms")),
    (
        (Tried(channel="wa", state=AttemptState.UNKNOWN, receipt_rank=FAILED, error=ErrorClass.NEXT),),
        Send(channel="sms"),
    ),
    (
        (Tried(channel="wa", state=AttemptState.UNKNOWN, receipt_rank=RECEIPT_RANKS[Receipt.SENT], waited_s=1),),
        Reached(),
    ),
    (
        (Tried(channel="wa", state=AttemptState.UNKNOWN, waited_s=21), refused("sms")),
        GiveUp(reason="unknown_outcome", unresolved=True),
    ),
    ((refused(), refused("sms")), GiveUp(reason="every_channel_failed")),
    ((refused(), refused("sms", ErrorClass.RETRY, retry_after_s=3)), Retry(seconds=3)),
    ((refused(), refused("sms", ErrorClass.RETRY, retry_after_s=3, waited_s=4)), Send(channel="sms")),
]


@pytest.mark.parametrize(("tried", "expected"), CASES)
def test_what_follows(tried, expected):
    assert step(*tried) == expected


def test_without_a_channel_it_is_given_up():
    assert step(channels=()) == GiveUp(reason="no_channel")


def test_free_text_outside_the_window_without_a_template_takes_the_next_channel():
    assert step(refused(error=ErrorClass.TEMPLATE), has_template=False) == Send(channel="sms")


ATTEMPTS = st.builds(
    Tried,
    channel=st.sampled_from(CHANNELS),
    state=st.sampled_from(list(AttemptState)),
    receipt_rank=st.integers(0, 4),
    error=st.sampled_from([None, *ErrorClass]),
    retry_after_s=st.one_of(st.none(), st.floats(0, 100)),
    as_template=st.booleans(),
    waited_s=st.floats(0, 100),
)


@given(st.lists(ATTEMPTS, max_size=6), st.permutations(CHANNELS), st.booleans())
def test_no_history_leads_to_a_second_possible_message_on_a_channel(tried, channels, has_template):
    found = step(*tried, channels=tuple(channels), has_template=has_template)

    if isinstance(found, Send):
        assert not any(a.state in HOLDING_STATES for a in tried if a.channel == found.channel)
        assert not any(a.error in {ErrorClass.OPT_OUT, ErrorClass.STOP} for a in tried)
        assert found.channel in channels


ENDS = [AttemptState.REFUSED, AttemptState.ABANDONED, AttemptState.UNKNOWN]


@given(
    st.lists(st.sampled_from(ENDS), min_size=40, max_size=40),
    st.lists(st.sampled_from(list(ErrorClass)), min_size=40, max_size=40),
)
def test_it_ends(states, errors):
    tried, count = [], 0
    for state, error in zip(states, errors, strict=True):
        found = step(*tried, channels=CHANNELS, wait=0.0)
        if not isinstance(found, Send | Retry):
            break
        channel = found.channel if isinstance(found, Send) else tried[-1].channel
        if isinstance(found, Retry):
            tried[-1] = Tried(channel=tried[-1].channel, state=tried[-1].state, error=tried[-1].error, waited_s=1e6)
            found = step(*tried, channels=CHANNELS, wait=0.0)
            if not isinstance(found, Send):
                continue
            channel = found.channel
        count += 1
        tried.append(Tried(channel=channel, state=state, error=error, waited_s=1e6))

    assert count <= len(CHANNELS) * (MAX_ATTEMPTS_PER_CHANNEL + 1)
