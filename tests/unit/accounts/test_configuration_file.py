from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from accounts.config_sections import ConfigModel, ConfigurationRefused, Mistake, Name, PublicUrl
from swiftex.configuration.errors import mistakes_of
from swiftex.configuration.file import read_document, substitute

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def refusal(text: str, environment: dict[str, str] | None = None) -> list[tuple[str, str]]:
    try:
        _, mistakes = read_document(text, environment or {})
    except ConfigurationRefused as refused:
        mistakes = list(refused.mistakes)
    return [(mistake.path, mistake.reason) for mistake in mistakes]


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("", "(file)", "mapping"),
        ("- a", "(file)", "mapping"),
        ("just text", "(file)", "mapping"),
        ("a: [", "(line 1, column 5)", "YAML"),
        ("a: 1\na: 2", "a", "stands twice; again in line 2"),
        ("a:\n  - b: 1\n    b: 2", "a[0].b", "stands twice"),
        ("1: a", "(file)", "no text"),
        ("a: {true: b}", "a", "no text"),
        ("a: &x [*x]", "a[0]", "refers to itself"),
        ("a: !!python/object/apply:os.system [x]", "(file)", "plain types"),
        ("a: 2026-99-99", "(file)", "plain types"),
        ("a: ${MISSING}", "a", "MISSING is not set"),
        ("a: {b: [x, 'y ${EMPTY}']}", "a.b[1]", "EMPTY is not set"),
        ("a: '${bad name}'", "a", "${NAME}"),
        ("a: '${}'", "a", "${NAME}"),
        ("a: '${OPEN'", "a", "${NAME}"),
    ],
)
def test_file_that_cannot_be_is_refused_with_its_path(text: str, path: str, reason: str) -> None:
    ((found_path, found_reason),) = refusal(text, {"EMPTY": ""})

    assert found_path == path
    assert reason in found_reason


def test_every_unset_variable_is_named_at_once() -> None:
    found = refusal("a: ${ONE}\nb:\n  c: x${TWO}y${THREE}")

    assert found == [
        ("a", "the environment variable ONE is not set"),
        ("b.c", "the environment variable TWO is not set"),
        ("b.c", "the environment variable THREE is not set"),
    ]


def test_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert refusal("\n".join(lines))[0][1] == "refers to itself or is too large"


def test_variables_are_filled_in_and_their_content_is_not_read_again() -> None:
    document, mistakes = read_document(
        "a: ${ONE}\nb: ['x${ONE}y', 5, true]\nc: '$${ONE} $5 $'", {"ONE": "${TWO}: [1]\nb: 2", "TWO": "no"}
    )

    assert document == {"a": "${TWO}: [1]\nb: 2", "b": ["x${TWO}: [1]\nb: 2y", 5, True], "c": "${ONE} $5 $"}
    assert mistakes == []


@given(TEXTS)
def test_text_with_its_openings_escaped_comes_out_as_it_was(text: str) -> None:
    mistakes: list[Mistake] = []

    assert substitute(text.replace("${", "$${"), {}, "a", mistakes).replace("$${", "${") == text.replace("$${", "${")
    assert mistakes == []


@given(TEXTS, TEXTS, TEXTS.filter(bool))
def test_variable_is_replaced_wherever_it_stands(before: str, after: str, value: str) -> None:
    before, after = before.replace("$", ""), after.replace("$", "")
    mistakes: list[Mistake] = []

    assert substitute(f"{before}${{NAME}}{after}", {"NAME": value}, "a", mistakes) == before + value + after
    assert mistakes == []


@given(TEXTS)
def test_any_text_is_substituted_or_refused_with_the_path(text: str) -> None:
    mistakes: list[Mistake] = []

    result = substitute({"a": [text]}, {}, "", mistakes)

    assert isinstance(result["a"][0], str)
    assert {mistake.path for mistake in mistakes} <= {"a[0]"}


class Cat(ConfigModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)]
    cat: str = ""


class Dog(ConfigModel):
    kind: Literal["dog"]
    name: Name
    url: PublicUrl | None = None


SHAPE = TypeAdapter(list[Annotated[Cat | Dog, Field(discriminator="kind")]])


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        ({}, "pets", "must be a list"),
        ([5], "pets[0]", "must be a mapping of keys"),
        ([{}], "pets[0].kind", "is required"),
        ([{"kind": "cow"}], "pets[0].kind", "must be one of 'cat', 'dog'"),
        ([{"kind": "cat", "lives": 9}, {"kind": "cat"}], "pets[1].lives", "is required"),
        ([{"kind": "cat", "cat": "x"}], "pets[0].lives", "is required"),
        ([{"kind": "cat", "cat": "x", "lives": 10}], "pets[0].lives", "must be at most 9"),
        ([{"kind": "cat", "cat": 5, "lives": 9}], "pets[0].cat", "must be text; put it in quotes"),
        ([{"kind": "cat", "lives": "secret"}], "pets[0].lives", "must be a whole number"),
        ([{"kind": "dog", "name": "rex", "colour": 1}], "pets[0].colour", "unknown key"),
        ([{"kind": "dog", "name": "Rex secret"}], "pets[0].name", "must be lower-case letters, digits, - and _"),
        ([{"kind": "dog", "name": "rex", "url": "secret"}], "pets[0].url", "must begin with https://"),
    ],
)
def test_wrong_value_is_named_by_its_place_in_the_file_and_not_repeated(raw: object, path: str, reason: str) -> None:
    with pytest.raises(ValidationError) as error:
        SHAPE.validate_python(raw)

    (mistake,) = mistakes_of("pets", raw, error.value)

    assert mistake.path == path
    assert mistake.reason.startswith(reason)
    assert "secret" not in mistake.reason
