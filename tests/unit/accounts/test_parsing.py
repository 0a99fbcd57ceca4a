import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.api.parsing import MAX_DEPTH, MAX_FIELDS, parse_object
from accounts.api.problems import MalformedBody

BAD = [
    (b"", "", "empty"),
    (b"   ", "", "empty"),
    (b"[]", "", "JSON object"),
    (b'"text"', "", "JSON object"),
    (b"null", "", "JSON object"),
    (b'{"a": 1', "", "not valid JSON"),
    (b'{"a": 1}x', "", "not valid JSON"),
    (b'{"a": "\xff"}', "", "UTF-8"),
    (b'{"a": {"b": "\\ud800"}}', "a.b", "surrogate"),
    (b'{"a": [1, "x\\udc00y"]}', "a[1]", "surrogate"),
    (b'{"a": NaN}', "a", "finite"),
    (b'{"a": {"b": [1, -Infinity]}}', "a.b[1]", "finite"),
    (b'{"a": 1e999}', "a", "finite"),
    (b'{"a": ' + b"9" * 400 + b"}", "a", "finite"),
    (b'{"name": "a\\u0000b"}', "name", "NUL"),
    (b'{"name": "a\x00b"}', "name", "NUL"),
    (b'{"a\\u0000": 1}', "", "NUL"),
    (b'{"a": "\x01"}', "", "not valid JSON"),
    (b"[" * 10_000, "", "deep"),
    (b'{"a":' * 10_000, "", "deep"),
    (b'{"a":' * 500 + b"1" + b"}" * 500, None, "deep"),
    (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), None, "deep"),
]


@pytest.mark.parametrize(("body", "field", "reason"), BAD, ids=range(len(BAD)))
def test_bad_body_is_refused_with_field_and_reason(body: bytes, field: str | None, reason: str) -> None:
    with pytest.raises(MalformedBody) as refused:
        parse_object(body)

    ((found, reasons),) = refused.value.detail.items()
    assert reason in reasons[0]
    assert field is None or found == field


def test_more_values_than_allowed_are_refused_and_fast() -> None:
    body = json.dumps({f"field{n}": n for n in range(10_000)}).encode()

    began = time.monotonic()
    with pytest.raises(MalformedBody):
        parse_object(body)

    assert time.monotonic() - began < 0.5
    assert len(parse_object(body, max_fields=10_001)) == 10_000


def test_body_at_the_limits_is_accepted() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    assert parse_object(json.dumps({"a": deep}).encode()) == {"a": deep}
    assert len(parse_object(json.dumps({str(n): 1 for n in range(MAX_FIELDS - 1)}).encode())) == MAX_FIELDS - 1


TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
STORABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, STORABLE, max_size=5))
def test_storable_object_arrives_as_it_was_sent(value: dict) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_malformed_body(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except MalformedBody as refused:
        ((_, reasons),) = refused.detail.items()
        assert reasons
