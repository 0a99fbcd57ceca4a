import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import keys


def test_generated_key_has_prefix_and_256_bits() -> None:
    made = [keys.generate_key() for _ in range(50)]

    assert len({key.text for key in made}) == 50
    for key in made:
        assert key.text.startswith(key.prefix + "_")
        assert len(key.text.rpartition(key.prefix + "_")[2]) == 43
        assert key.hashed == keys.hash_key(key.text)
        assert keys.bearer_token(f"Bearer {key.text}") == key.text


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer ä", "Bearer a\x00b", "Bearer " + "x" * 257, "abc"],
)
def test_header_without_one_plausible_token_is_refused(header: str) -> None:
    assert keys.bearer_token(header) is None


@given(st.text())
def test_bearer_token_takes_any_header_without_raising(header: str) -> None:
    token = keys.bearer_token(header)

    assert token is None or (token.isascii() and " " not in token)


@given(st.text(alphabet=string.ascii_letters + string.digits + "_-.", min_size=1, max_size=256))
def test_bearer_token_returns_every_plain_token(token: str) -> None:
    assert keys.bearer_token(f"bearer  {token} ") == token


@given(st.text(min_size=8, max_size=100))
def test_prefix_shows_at_most_two_characters_of_a_foreign_key(text: str) -> None:
    assert keys.prefix_of(text) == f"{text[:2]}…"
