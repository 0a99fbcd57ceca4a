import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.dispatch import capacity_of


@pytest.mark.parametrize(("slots", "all_of_them", "one"), [(0, 4, 4), (1, 4, 1), (10, 15, 9), (200, 300, 180)])
def test_credits_follow_the_slots(slots, all_of_them, one):
    assert capacity_of(slots) == (all_of_them, one)


@given(slots=st.integers(2, 5000))
def test_one_organization_always_leaves_a_slot_for_a_newcomer(slots):
    capacity, one = capacity_of(slots)

    assert 1 <= one < slots
    assert capacity > one
