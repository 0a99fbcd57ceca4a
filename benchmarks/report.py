"""Figures, their targets, and the one JSON line that a benchmark ends with."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Target:
    """What a figure must be.  most: at most this; least: at least this."""

    most: float | None = None
    least: float | None = None

    def is_met(self, figure: float | None) -> bool:
        """False when the figure is missing."""
        if figure is None:
            return False
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)

    def as_json(self) -> dict[str, float]:
        """The bound by its name."""
        return {name: bound for name, bound in (("most", self.most), ("least", self.least)) if bound is not None}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed (nearest rank); infinite when there are none."""
    if not values:
        return float("inf")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float], name: str, unit: str = "s", digits: int = 3) -> dict[str, float | None]:
    """p50, p95, p99, p99.9 and the largest, as figures called name_p50_unit and so on; none without values.

    One that is infinite (a lead that got nothing) is None: JSON has no infinity, and no target is met by it.
    """
    if not values:
        return {}
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
    found = {f"{name}_{label}_{unit}": percentile(values, share) for label, share in shares.items()}
    return {label: None if math.isinf(value) else round(value, digits) for label, value in found.items()}


def finish(
    benchmark: str, figures: Mapping[str, object], targets: Mapping[str, Target], conditions: Mapping[str, object]
) -> bool:
    """Prints figures against targets for people and the JSON line for machines; True when every target is met."""
    print(f"\n{benchmark}")
    for name, value in figures.items():
        target = targets.get(name)
        mark = "" if target is None else ("  met" if target.is_met(_number(value)) else "  MISSED")
        bound = "" if target is None else f"  (target {target.as_json()})"
        print(f"  {name:42} {value}{bound}{mark}")
    is_met = all(target.is_met(_number(figures.get(name))) for name, target in targets.items())
    line = {
        "benchmark": benchmark,
        "commit": commit(),
        "machine": machine(),
        "conditions": dict(conditions),
        "figures": dict(figures),
        "targets": {name: target.as_json() for name, target in targets.items()},
        "met": is_met,
    }
    print(json.dumps(line))
    return is_met


def commit() -> str:
    """Short hash of what is measured, with a mark when files differ from it."""
    answer = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def machine() -> dict[str, object]:
    """What the figures were seen on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {"cores": os.cpu_count(), "cpu": model, "system": platform.system(), "python": platform.python_version()}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
