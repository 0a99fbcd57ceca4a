"""What the demo prints: one line per lead, then figures, checks and addresses. ANSI colours on a terminal only."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from sandbox.demo.verdict import Followed, percentile

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SEGMENTS = (
    ("capture", ("committed",)),
    ("relay", ("dispatched",)),
    ("queue", ("started",)),
    ("model", ("model answered",)),
    ("channel", ("channel accepted",)),
)
_WIDTHS = {"who": 20, "channel": 9, "ms": 8, "end": 34}
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"
_TARGET_MS = 2000
# Mark, who, channel, total and end, with the blanks between them.
_FEWEST_COLUMNS = 4 + _WIDTHS["who"] + 2 + _WIDTHS["channel"] + _WIDTHS["ms"] + 3 + _WIDTHS["end"]


class Report:
    """Writes to a terminal, or plainly to anything else."""

    def __init__(self) -> None:
        self._is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        # What goes into a file or a log is not cut.
        self._columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 500

    def say(self, text: str = "") -> None:
        """One line."""
        print(text, flush=True)

    def paint(self, text: str, *styles: str) -> str:
        """The text in these styles, or as it is where there are none."""
        if not self._is_coloured or not styles:
            return text
        return f"\033[{';'.join(_CODES[style] for style in styles)}m{text}\033[0m"

    def head(self, count: int) -> None:
        """The title and the names of the columns."""
        self.say()
        self.say(self.paint(f"  {count} sample leads, sent over HTTP", "bold") + self.paint(" · times in ms", "dim"))
        self.say()
        segments = [f"{name:>{_WIDTHS['ms']}}" for name, _ in self._segments]
        names = f"{padded('who', _WIDTHS['who'])}  {padded('channel', _WIDTHS['channel'])}{''.join(segments)}"
        shows = "shows" if self._note_room else ""
        self.say(self.paint(f"    {names}{'total':>{_WIDTHS['ms']}}   {'end':{_WIDTHS['end']}} {shows}", "dim"))

    def line(self, followed: Followed, end: str, *, is_expected: bool) -> None:
        """One lead: mark, who, channel, milliseconds by segment, the end it reached and what it shows."""
        mark = self.paint("✓", "green") if is_expected else self.paint("✗", "red", "bold")
        name = isolated(padded(followed.sample.name, _WIDTHS["who"]))
        times = "".join(self._time(followed.segment_ms(*names)) for _, names in self._segments)
        total = self._time(followed.first_response_ms, is_total=True)
        colour = "red" if not is_expected else "cyan" if end.startswith("greeted") else "yellow"
        shown_end = self.paint(padded(end, _WIDTHS["end"]), colour)
        channel = padded(followed.channel or "-", _WIDTHS["channel"])
        self.say(f"  {mark} {name}  {channel}{times}{total}   {shown_end} {self._note(followed.sample.shows)}".rstrip())
        if not is_expected:
            self.say(self.paint(f"    expected {followed.sample.end}", "red"))

    @property
    def _segments(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """All of them where the line is wide enough, otherwise none: the total says most."""
        return _SEGMENTS if self._columns >= _FEWEST_COLUMNS + len(_SEGMENTS) * _WIDTHS["ms"] else ()

    @property
    def _note_room(self) -> int:
        """Columns left for what a sample shows; 0 if too few to read anything."""
        room = self._columns - _FEWEST_COLUMNS - len(_SEGMENTS) * _WIDTHS["ms"] - 2
        return room if room >= 24 else 0

    def _time(self, ms: float | None, *, is_total: bool = False) -> str:
        text = f"{'·' if ms is None else f'{ms:.0f}':>{_WIDTHS['ms']}}"
        if ms is None:
            return self.paint(text, "dim")
        return self.paint(text, "bold", "green" if ms < _TARGET_MS else "yellow") if is_total else text

    def _note(self, note: str) -> str:
        short = note if len(note) <= self._note_room else note[: max(0, self._note_room - 1)] + "…"
        return self.paint(short, "dim") if self._note_room else ""

    def figures(self, followed: Sequence[Followed]) -> None:
        """First-response p50 and p99, with and without those whose provider was made to keep silent."""
        everyone = [each for each in followed if each.is_captured and each.first_response_ms is not None]
        self.say()
        self._figure("first response", [each for each in everyone if not each.sample.is_late])
        late = len([each for each in everyone if each.sample.is_late])
        if late:
            self._figure(f"… with the {late} whose provider was made to keep silent", everyone)

    def _figure(self, title: str, followed: Sequence[Followed]) -> None:
        values = [float(each.first_response_ms or 0.0) for each in followed]
        p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
        if p50 is None or p99 is None:
            self.say(f"  {title}: nobody was greeted")
            return
        colour = "green" if p99 < _TARGET_MS else "yellow"
        shown = self.paint(f"p50 {p50:.0f} ms   p99 {p99:.0f} ms", "bold", colour)
        self.say(f"  {shown}   {title}, {len(values)} leads")

    def check(self, is_good: bool, text: str) -> None:
        """One check of the whole run."""
        self.say(f"  {self.paint('✓', 'green') if is_good else self.paint('✗', 'red', 'bold')} {text}")

    def addresses(self, addresses: Mapping[str, str]) -> None:
        """Where to look next."""
        self.say()
        for name, address in addresses.items():
            self.say(f"  {self.paint(f'{name:<12}', 'dim')}{address}")
        self.say()


def isolated(text: str) -> str:
    """The text between marks, if it has right-to-left letters, so that they do not turn the rest of the line around."""
    is_turned = any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
    return f"{_ISOLATE}{text}{_END_OF_ISOLATE}" if is_turned else text


def padded(text: str, width: int) -> str:
    """The text in exactly `width` columns of a terminal; wide characters take two, combining ones none."""
    shown, used = "", 0
    for character in text:
        wide = 2 if unicodedata.east_asian_width(character) in "WF" else 0 if unicodedata.combining(character) else 1
        if used + wide > width - 1 and len(text) > width:
            return shown + "…" + " " * (width - used - 1)
        shown, used = shown + character, used + wide
    return shown + " " * max(0, width - used)
