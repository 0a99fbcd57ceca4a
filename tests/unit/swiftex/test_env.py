import pytest
from django.core.exceptions import ImproperlyConfigured

from swiftex.settings import env


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("abc", lambda: env.integer("X", 1, low=0, high=9)),
        ("10", lambda: env.integer("X", 1, low=0, high=9)),
        ("-1", lambda: env.integer("X", 1, low=0, high=9)),
        ("1.5", lambda: env.integer("X", 1, low=0, high=9)),
        ("nan", lambda: env.decimal("X", 1, low=0, high=9)),
        ("inf", lambda: env.decimal("X", 1, low=0, high=9)),
        ("maybe", lambda: env.boolean("X", True)),
        ("third", lambda: env.choice("X", "first", ("first", "second"))),
        ("mysql://x", lambda: env.service_url("X", "redis://x", ("redis", "rediss"))),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_with_its_name(monkeypatch, value, read):
    monkeypatch.setenv("X", value)

    with pytest.raises(ImproperlyConfigured, match="X must"):
        read()


def test_a_variable_without_default_must_be_set(monkeypatch):
    monkeypatch.setenv("X", "  ")

    with pytest.raises(ImproperlyConfigured, match="X is not set"):
        env.text("X")


def test_values_are_read_with_their_kind(monkeypatch):
    monkeypatch.setenv("X", " 7 ")
    assert env.integer("X", 1, low=0, high=9) == 7
    assert env.decimal("X", 1, low=0, high=9) == 7.0
    monkeypatch.setenv("X", "Yes")
    assert env.boolean("X", False) is True
    monkeypatch.setenv("X", " a, ,b ,")
    assert env.words("X") == ["a", "b"]
    monkeypatch.delenv("X")
    assert env.words("X") == []
    assert env.integer("X", 3, low=0, high=9) == 3
