"""Buckets: never too good, at most a twentieth too long."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.histogram import RATIO, bucket_of, percentile_ms, upper_edge_ms


@given(st.integers(min_value=0, max_value=10**10))
def test_a_duration_lies_in_the_first_bucket_that_reaches_it(duration_ms):
    bucket = bucket_of(duration_ms)

    assert upper_edge_ms(bucket) >= duration_ms
    if bucket > 0:
        assert upper_edge_ms(bucket - 1) < duration_ms
    assert len(str(bucket)) <= 5


@given(
    st.lists(st.integers(min_value=1, max_value=10**6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99])
)
def test_a_percentile_is_at_most_a_twentieth_too_long(durations_ms, share):
    counts = Counter(bucket_of(duration_ms) for duration_ms in durations_ms)

    told_ms = percentile_ms(counts, share)

    true_ms = sorted(durations_ms)[max(0, -(-len(durations_ms) * share // 1).__int__() - 1)]
    assert true_ms - 1 <= told_ms <= true_ms * RATIO + 1


def test_nothing_counted_has_no_percentile():
    assert percentile_ms({}, 0.5) is None


@pytest.mark.parametrize(("duration_ms", "bucket"), [(0, 0), (1, 0), (2, 15)])
def test_short_durations(duration_ms, bucket):
    assert bucket_of(duration_ms) == bucket
