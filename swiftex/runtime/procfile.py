"""The Procfile (standard form: `name: command`), and what a Procfile can't say about each process."""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swiftex.runtime.problem import Problem

LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(\S.*)$")


@dataclass(frozen=True)
class Kind:
    """How processes of one name run. Lower stop phases end first; within a phase all end together."""

    role: str
    count: int = 1
    nice: int = 0
    stop_phase: int = 2
    grace_s: float = 5
    orphan_signal: int = signal.SIGKILL


# Ended in this order: nothing new comes in (0), what runs is finished (1), then what only looks on (2).
KINDS: Mapping[str, Kind] = {
    # Its main process must live long enough to end its own workers.
    "web": Kind(role="web", stop_phase=0, grace_s=10, orphan_signal=signal.SIGTERM),
    "relay": Kind(role="relay", count=2, stop_phase=1, grace_s=10),
    "worker-greeting": Kind(role="worker", count=2, stop_phase=1, grace_s=20),
    "worker-reply": Kind(role="worker", stop_phase=1, grace_s=20),
    "worker-background": Kind(role="worker", nice=10, stop_phase=1, grace_s=20),
    "beat": Kind(role="beat"),
    "flower": Kind(role="command", nice=5),
    # Only where it is asked for: the demo, tests, benchmarks.
    "sandbox": Kind(role="command", count=0),
}
OTHER = Kind(role="command")


def parse(text: str) -> dict[str, str]:
    """Commands by name, in the file's order; comments and blank lines are skipped; raises Problem with the line."""
    commands: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.match(line)
        if match is None:
            raise Problem(f"Procfile line {number} is not `name: command`", "correct it")
        if match[1] in commands:
            raise Problem(f"Procfile line {number} names {match[1]} a second time", "remove one of them")
        commands[match[1]] = match[2].strip()
    return commands


def read(path: Path) -> dict[str, str]:
    """As parse, of a file; raises Problem when it can't be read."""
    try:
        return parse(path.read_text())
    except OSError as error:
        raise Problem(f"{path} can't be read ({error.strerror})", "run from a complete checkout") from error


def counts_of(commands: Mapping[str, str], *, only: Sequence[str] = (), without: Sequence[str] = ()) -> dict[str, int]:
    """How many of each to run: as declared, or just those named in `only` (`name` or `name=count`)."""
    counts = {name: KINDS.get(name, OTHER).count for name in commands}
    chosen = dict(_choice(word, counts) for word in only) if only else {k: n for k, n in counts.items() if n}
    for name in without:
        _known(name, counts)
        chosen.pop(name, None)
    return chosen


def _choice(word: str, counts: Mapping[str, int]) -> tuple[str, int]:
    name, _, number = word.partition("=")
    _known(name, counts)
    if number and not number.isdigit():
        raise Problem(f"{word} has no whole number after =", f"write for example {name}=2")
    return name, int(number) if number else max(1, counts[name])


def _known(name: str, counts: Mapping[str, int]) -> None:
    if name not in counts:
        raise Problem(f"the Procfile has no process {name}", f"it has {', '.join(counts)}")
