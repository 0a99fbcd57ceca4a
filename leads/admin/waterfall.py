"""Where the bars of a lead's waterfall stand."""

from dataclasses import dataclass

from leads.timeline import Timeline

WIDTH = 640
_ROW = 30
_BAR = 18
_LEFT = 190
_RIGHT = 90
_NARROWEST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch as a rectangle, in units of the picture."""

    label: str
    ms: float
    x: float
    y: float
    width: float
    text_x: float
    text_y: float
    is_slowest: bool


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All stretches, and the size of the picture that holds them."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    bar_height: int = _BAR


def bars_of(timeline: Timeline) -> Waterfall | None:
    """The picture of the way to the first message, or None when there is nothing to show."""
    if not timeline.segments:
        return None
    last = timeline.segments[-1]
    total_ms = max(last.start_ms + last.ms, 0.001)
    scale = (WIDTH - _LEFT - _RIGHT) / total_ms
    bars = []
    for row, segment in enumerate(timeline.segments):
        x = _LEFT + max(segment.start_ms, 0.0) * scale
        width = max(segment.ms * scale, _NARROWEST)
        y = row * _ROW
        bars.append(
            Bar(
                label=segment.label,
                ms=segment.ms,
                x=round(x, 2),
                y=y,
                width=round(width, 2),
                text_x=round(x + width + 6, 2),
                text_y=y + _BAR - 4.5,
                is_slowest=segment.is_slowest,
            )
        )
    return Waterfall(bars=tuple(bars), width=WIDTH, height=len(bars) * _ROW)
