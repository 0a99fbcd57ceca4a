"""How values of rows are shown on the admin's pages. Everything in them may come from strangers and is escaped."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_ROW = (
    '<tr><th class="font-semibold pr-6 text-left align-top whitespace-nowrap">{}</th><td class="break-all">{}</td></tr>'
)


def as_link(url: str, text: object) -> SafeString:
    """A link that looks like one."""
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, text)


def as_table(values: Mapping[str, Any] | None) -> SafeString | str:
    """Names and values in two columns; a dash when there are none."""
    if not values:
        return "-"
    rows = ((_words(name), _text(value)) for name, value in values.items())
    return format_html('<table class="leading-6">{}</table>', format_html_join("", _ROW, rows))


def as_list(rows: Iterable[Mapping[str, Any]]) -> SafeString | str:
    """A line per row, its values separated by dots; a dash when there are none."""
    lines = [(" · ".join(_text(value) for value in row.values()),) for row in rows]
    return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", lines)) if lines else "-"


def clock_time(at: datetime) -> str:
    """Hours, minutes and seconds where the organization is."""
    return f"{timezone.localtime(at):%H:%M:%S}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ", ".join(str(each) for each in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
