"""`manage.py apply_config FILE`: makes an organization as the file says."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.api.rendering import to_json
from accounts.config_sections import Change, ConfigurationRefused, FieldChange
from swiftex.configuration import Applied, apply_text

_MAX_FILE_BYTES = 5_000_000


class Command(BaseCommand):
    """Applies a configuration file; exit status 0 when it was applied or changed nothing, 1 when it was refused."""

    help = "Makes an organization as a YAML file says. A second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE, and how to answer."""
        parser.add_argument("file", help="the configuration file")
        parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the answer as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints what changed, or every mistake with its path."""
        text = _read(options["file"])
        is_dry = bool(options["dry_run"])
        try:
            applied = apply_text(text, os.environ, actor="command:apply_config", dry_run=is_dry)
        except ConfigurationRefused as refused:
            if options["json"]:
                self.stdout.write(_as_json_refusal(refused))
            lines = "\n".join(f"  {mistake.path}: {mistake.reason}" for mistake in refused.mistakes)
            raise CommandError(f"{options['file']} was not applied; nothing has changed:\n{lines}") from None
        self.stdout.write(_as_json(applied, is_dry) if options["json"] else _as_text(applied, is_dry))


def _read(name: str) -> str:
    path = Path(name)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CommandError(f"{name} is larger than {_MAX_FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not UTF-8 text") from None


def _as_text(applied: Applied, is_dry: bool) -> str:
    lines = [line for change in applied.changes for line in _lines_of(change)]
    unchanged = sum(change.action == "unchanged" for change in applied.changes)
    if not applied.has_changed:
        return "\n".join([*lines, f"unchanged: {applied.slug} is as the file says ({unchanged} objects)"])
    done = "would be changed (dry run: nothing was)" if is_dry else "changed"
    return "\n".join([*lines, f"{applied.slug} {done}; {unchanged} objects unchanged"])


def _lines_of(change: Change) -> list[str]:
    if change.action == "unchanged":
        return []
    if change.action == "kept":
        return [f"  {change.path}: not in the file, kept as it is"]
    sign = "+" if change.action == "created" else "~"
    return [f"{sign} {change.path}: {change.action}", *(f"    {_shown(field)}" for field in change.fields)]


def _shown(field: FieldChange) -> str:
    if field.before is None and field.after is None:
        return f"{field.name}: set (not shown)"
    if field.before is None:
        return f"{field.name}: {_value(field.after)}"
    return f"{field.name}: {_value(field.before)} -> {_value(field.after)}"


def _value(value: object) -> str:
    return to_json(value).decode()


def _as_json(applied: Applied, is_dry: bool) -> str:
    changes = [
        {
            "path": change.path,
            "action": change.action,
            "fields": [{"name": field.name, "before": field.before, "after": field.after} for field in change.fields],
        }
        for change in applied.changes
    ]
    answer = {"organization": applied.slug, "dry_run": is_dry, "changed": applied.has_changed, "changes": changes}
    return to_json(answer).decode()


def _as_json_refusal(refused: ConfigurationRefused) -> str:
    mistakes = [{"path": mistake.path, "reason": mistake.reason} for mistake in refused.mistakes]
    return to_json({"changed": False, "mistakes": mistakes}).decode()
