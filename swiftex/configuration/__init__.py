"""The configuration file as a whole: the sections of all apps, checked together and applied in one transaction.

docs/reference/configuration.md is the users' page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from pydantic import TypeAdapter, ValidationError

from accounts.audit import record_audit
from accounts.config_section import OrganizationConfig, apply_organization
from accounts.config_sections import Change, ConfigurationRefused, Mistake, Section
from swiftex.configuration.errors import mistakes_of
from swiftex.configuration.file import read_document

ORGANIZATION_KEY = "organization"


@dataclass(frozen=True)
class Applied:
    """What applying a file did, or would do: every object it names, and those it does not."""

    organization_id: UUID
    slug: str
    changes: tuple[Change, ...]

    @property
    def has_changed(self) -> bool:
        """Whether anything was created or updated."""
        return any(change.action in {"created", "updated"} for change in self.changes)


class _DryRun(Exception):
    """Takes back the transaction of a dry run."""


def check_text(text: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The file's validated values by section key; raises ConfigurationRefused with every mistake in it.

    Reads nothing but its arguments: no database.
    """
    document, mistakes = read_document(text, environment)
    doubtful = {mistake.path for mistake in mistakes}
    known = {ORGANIZATION_KEY: OrganizationConfig} | {section.key: section.shape for section in sections()}
    mistakes += _unknown_keys(document, known)
    values: dict[str, Any] = {}
    for key, shape in known.items():
        if key in document:
            found = _validate(key, shape, document[key], values)
            mistakes += (mistake for mistake in found if mistake.path not in doubtful)
    if ORGANIZATION_KEY not in document:
        mistakes.append(Mistake(ORGANIZATION_KEY, "is required"))
    for section in sections():
        if section.key in values:
            mistakes += (found for found in section.check(values[section.key], values) if found.path not in doubtful)
    if mistakes:
        raise ConfigurationRefused(*mistakes)
    return values


def apply_text(text: str, environment: Mapping[str, str], *, actor: str, dry_run: bool = False) -> Applied:
    """The organization is as the file says, or nothing has changed: raises ConfigurationRefused.

    actor: for the audit log.  dry_run: everything is done and taken back; the answer says what would change.
    A second call with the same text changes nothing.
    """
    values = check_text(text, environment)
    outcome: list[Applied] = []
    try:
        with transaction.atomic():
            outcome.append(_apply(values, actor))
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return outcome[0]


def sections() -> Sequence[Section]:
    """The sections in the order in which they are applied: what is referred to comes first."""
    from accounts import config_section as accounts_section
    from channels_out import config_section as channels_section
    from conversations import config_section as conversations_section
    from leads import config_section as leads_section

    modules = (accounts_section, leads_section, channels_section, conversations_section)
    return [section for module in modules for section in module.SECTIONS]


def _apply(values: Mapping[str, Any], actor: str) -> Applied:
    organization: OrganizationConfig = values[ORGANIZATION_KEY]
    with connection.cursor() as cursor:
        # Two runs at once would each see the other's rows half done.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('apply_config', 0))")
    organization_id, first = apply_organization(organization)
    changes = [first]
    for section in sections():
        if section.key in values:
            changes.extend(section.apply(organization_id, values[section.key]))
    applied = Applied(organization_id, organization.slug, tuple(changes))
    _record(applied, actor)
    return applied


def _record(applied: Applied, actor: str) -> None:
    if not applied.has_changed:
        return
    changed = [change for change in applied.changes if change.action in {"created", "updated"}]
    record_audit(
        organization_id=applied.organization_id,
        actor=actor,
        action="configuration.applied",
        target=ORGANIZATION_KEY,
        details={change.path: [change.action, *(field.name for field in change.fields)] for change in changed},
    )


def _unknown_keys(document: Iterable[str], known: Iterable[str]) -> Iterator[Mistake]:
    names = list(known)
    for key in document:
        if key not in names:
            near = get_close_matches(key, names, n=1)
            yield Mistake(key, f"unknown key; did you mean `{near[0]}`?" if near else "unknown key")


def _validate(key: str, shape: Any, raw: object, values: dict[str, Any]) -> list[Mistake]:
    try:
        values[key] = TypeAdapter(shape).validate_python(raw)
    except ValidationError as error:
        return list(mistakes_of(key, raw, error))
    return []
