"""The highest rate of capture and greeting that keeps p99 below 2 s, and where the time goes.

    python -m benchmarks.curve [--from 5000] [--step 1000] [--seconds 20]

No CRM and no notices: captures and greetings alone.  Rates rise until one misses; the last one that held is reported.
"""

import argparse
import sys
from typing import Any

from benchmarks import report
from benchmarks.first_response import measure
from benchmarks.stage import stage

BOUND_S = 2.0


def _holds(step: dict[str, Any]) -> bool:
    p99_s = step["total_p99_s"]
    return step["greeted"] == 1 and p99_s is not None and p99_s <= BOUND_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="first", type=int, default=5000, help="leads a minute")
    parser.add_argument("--step", type=int, default=1000)
    parser.add_argument("--most", type=int, default=15_000)
    parser.add_argument("--seconds", type=float, default=20)
    chosen = parser.parse_args()
    steps: list[dict[str, Any]] = []
    with stage() as on:
        organization = on.organization(without=("crm", "notify"))
        for rate in range(chosen.first, chosen.most + 1, chosen.step):
            figures = measure(on, organization, rate_per_minute=rate, seconds=chosen.seconds)
            steps.append(figures)
            print(f"{rate}/min: greeted {figures['greeted']}, p99 {figures['total_p99_s']} s")
            if not _holds(figures):
                break
        conditions = {**on.conditions(), "seconds_per_step": chosen.seconds, "parts": "capture and greeting only"}
    held = [step for step in steps if _holds(step)]
    figures = {
        "highest_rate_per_minute": max((step["rate_per_minute"] for step in held), default=0),
        "p99_s_by_rate": {str(step["rate_per_minute"]): step["total_p99_s"] for step in steps},
        "cpu_ms_by_rate": {str(step["rate_per_minute"]): step["cpu_ms_per_lead"] for step in steps},
        "cpu_ms_by_process": held[-1]["cpu_ms_by_process"] if held else {},
    }
    return 0 if report.finish("curve", figures, {}, conditions) else 1


if __name__ == "__main__":
    sys.exit(main())
