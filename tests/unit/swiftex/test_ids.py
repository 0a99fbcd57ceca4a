import uuid
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftex.ids import new_id, parse_public_id, public_id


def test_new_ids_sort_by_the_time_of_their_making():
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
    assert all(isinstance(each, uuid.UUID) for each in ids)


@given(st.uuids(), st.sampled_from(["lead", "con", "cnv", "msg", "evt", "job", "key"]))
def test_a_public_id_leads_back_to_its_row(value, prefix):
    assert parse_public_id(prefix, public_id(prefix, value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lead",
        "lead_",
        "lead_0193",
        "con_" + "0" * 32,
        "lead_" + "G" * 32,
        "lead_" + "A" * 32,
        "lead_" + "0" * 33,
        "lead_" + "0" * 31 + "\n",
        "lead_{" + "0" * 30 + "}",
        "LEAD_" + "0" * 32,
        "lead__" + "0" * 31,
        "lead_" + "\u0660" * 32,
    ],
)
def test_anything_else_is_no_public_id(text):
    with pytest.raises(ValueError, match="lead_<32 hex digits>"):
        parse_public_id("lead", text)


@given(st.text())
def test_no_text_does_worse_than_a_value_error(text):
    with suppress(ValueError):
        assert public_id("msg", parse_public_id("msg", text)) == text
