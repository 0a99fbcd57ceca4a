import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.job_states import OPEN_STATES, JobState, after_failure, backoff_s, may_move, stale_after_s


@given(attempts=st.integers(1, 1000), jitter=st.floats(0, 1, exclude_max=True))
def test_back_off_stays_within_its_bounds(attempts, jitter):
    assert 0.5 <= backoff_s(attempt_count=attempts, retry_after_s=None, jitter=jitter) <= 300


@given(attempts=st.integers(1, 30), jitter=st.floats(0, 1, exclude_max=True))
def test_back_off_never_shrinks_with_attempts(attempts, jitter):
    now = backoff_s(attempt_count=attempts, retry_after_s=None, jitter=jitter)
    assert backoff_s(attempt_count=attempts + 1, retry_after_s=None, jitter=jitter) >= now


@given(attempts=st.integers(1, 30), hint=st.floats(0, 86_400), jitter=st.floats(0, 1, exclude_max=True))
def test_a_retry_after_is_obeyed_in_full(attempts, hint, jitter):
    assert backoff_s(attempt_count=attempts, retry_after_s=hint, jitter=jitter) >= hint


def test_attempts_are_counted_from_one():
    with pytest.raises(ValueError, match="from 1"):
        backoff_s(attempt_count=0, retry_after_s=None, jitter=0)
    with pytest.raises(ValueError, match="from 1"):
        after_failure(attempt_count=0, max_attempts=1)


@pytest.mark.parametrize(
    ("attempts", "most", "state"),
    [(1, 5, "waiting"), (4, 5, "waiting"), (5, 5, "dead"), (6, 5, "dead"), (1, 1, "dead")],
)
def test_the_last_attempt_makes_a_dead_letter(attempts, most, state):
    assert after_failure(attempt_count=attempts, max_attempts=most) == state


@given(dispatches=st.integers(0, 60))
def test_a_lost_message_is_sent_again_ever_more_slowly(dispatches):
    wait = stale_after_s(first_s=5, dispatch_count=dispatches)
    assert 5 <= wait <= 60
    assert stale_after_s(first_s=5, dispatch_count=dispatches + 1) >= wait


@given(path=st.lists(st.sampled_from(list(JobState)), max_size=12))
def test_a_job_that_is_done_or_cancelled_never_moves_again(path):
    state = JobState.WAITING
    for wanted in path:
        if may_move(state, to=wanted):
            assert state not in {JobState.DONE, JobState.CANCELLED}
            state = wanted
    assert state in set(JobState)


def test_every_open_job_can_still_end():
    for state in OPEN_STATES:
        reachable, frontier = {state}, [state]
        while frontier:
            here = frontier.pop()
            for there in JobState:
                if may_move(here, to=there) and there not in reachable:
                    reachable.add(there)
                    frontier.append(there)
        assert JobState.DONE in reachable
