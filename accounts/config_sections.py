"""What an app says about its part of the configuration file, and the tools to say it with.

Each app has a `config_section.py` with a tuple SECTIONS; `swiftex.configuration` collects them, checks the whole
file first (types, then `check`), and then applies it in one transaction.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

import orjson
from django.db.models import Model
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from swiftex.http import check_public_url

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
Action = Literal["created", "updated", "unchanged", "kept"]


class ConfigModel(BaseModel):
    """Base of every model of the file: unknown keys are refused, and no message repeats a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _public_url(value: str) -> str:
    check_public_url(value)
    return value


def _plain_name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError("must be lower-case letters, digits, - and _, and begin with a letter or digit")
    return value


PublicUrl = Annotated[str, StringConstraints(max_length=500), AfterValidator(_public_url)]
Name = Annotated[str, StringConstraints(max_length=60), AfterValidator(_plain_name)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


@dataclass(frozen=True)
class FieldChange:
    """One field's difference; a secret's values are None, whatever they are."""

    name: str
    before: object
    after: object


@dataclass(frozen=True)
class Change:
    """What applying did to one object. kept: it exists, the file does not name it, and it stays as it is."""

    path: str
    action: Action
    fields: tuple[FieldChange, ...] = field(default=())


@dataclass(frozen=True)
class Mistake:
    """Why the file is refused, and where: path such as `channels[1].from_number`."""

    path: str
    reason: str


class ConfigurationRefused(Exception):
    """The file cannot be applied; carries every mistake that was found. Nothing was changed."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(f"{mistake.path}: {mistake.reason}" for mistake in mistakes))
        self.mistakes = mistakes


class Section(Protocol):
    """One top-level key of the file.

    shape: what pydantic validates the key's value with: a ConfigModel, or list[...] of them, or a discriminated union.
    """

    @property
    def key(self) -> str:
        """The top-level key."""

    @property
    def shape(self) -> Any:
        """The value's type."""

    def check(self, value: Any, document: Mapping[str, Any]) -> Iterable[Mistake]:
        """Mistakes that types cannot express; document: the other sections' validated values by key."""

    def apply(self, organization_id: UUID, value: Any) -> Sequence[Change]:
        """The organization's rows are as value says. Called inside one transaction, in the order of the sections.

        Raises ConfigurationRefused. A second call with the same value changes nothing.
        """


def _no_mistakes(value: Any, document: Mapping[str, Any]) -> Iterable[Mistake]:
    return ()


@dataclass(frozen=True)
class FunctionSection:
    """A Section made of functions: enough for every app so far."""

    key: str
    shape: Any
    apply: Callable[[UUID, Any], Sequence[Change]]
    check: Callable[[Any, Mapping[str, Any]], Iterable[Mistake]] = _no_mistakes


def store(
    model: type[Model],
    *,
    path: str,
    identity: Mapping[str, object],
    values: Mapping[str, object],
    secrets: frozenset[str] = frozenset({"credentials"}),
) -> Change:
    """The one row with this identity has these values; written only when it differs.

    path: the object's place in the file, for people, such as `channels.wa-main`.  identity: lookup that is unique,
    with organization_id.  secrets: fields whose values never appear in the Change.
    """
    row = model._default_manager.select_for_update().filter(**identity).first()
    if row is None:
        model._default_manager.create(**identity, **values)
        return Change(path, "created", _differences(values, lambda name: None, secrets))
    changed = _differences(values, lambda name: getattr(row, name), secrets)
    if not changed:
        return Change(path, "unchanged")
    for change in changed:
        setattr(row, change.name, values[change.name])
    row.save(update_fields=[change.name for change in changed])
    return Change(path, "updated", changed)


def kept(paths: Iterable[str], named: Iterable[str]) -> list[Change]:
    """A `kept` change for each existing path that the file does not name."""
    return [Change(path, "kept") for path in sorted(set(paths) - set(named))]


def _differences(
    values: Mapping[str, object], before_of: Callable[[str], object], secrets: frozenset[str]
) -> tuple[FieldChange, ...]:
    changes = []
    for name, after in values.items():
        before = before_of(name)
        if not _same(before, after):
            shown = (None, None) if name in secrets else (before, after)
            changes.append(FieldChange(name, *shown))
    return tuple(changes)


def _same(before: object, after: object) -> bool:
    """Equal as stored: a tuple equals the list that JSON makes of it."""
    return before == after or _as_json(before) == _as_json(after)


def _as_json(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
