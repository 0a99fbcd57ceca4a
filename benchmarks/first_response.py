"""From form submit to the channel's acceptance at 5,000 leads a minute, everything on this machine.

    python -m benchmarks.first_response [--rate 5000] [--seconds 60] [--scenario usual receipts ...]

Latency is counted from the scheduled time of a request to the sandbox's answer to the first accepted message.
"""

import argparse
import itertools
import math
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import load, report
from benchmarks.report import Target
from benchmarks.stage import MODEL, WHATSAPP, Organization, Stage, in_digits, stage

RECEIPTS: dict[str, Any] = {"statuses": ["sent", "delivered"]}
ALL_GREETED = {"greeted": Target(least=1.0), "greeted_twice": Target(most=0)}


@dataclass(frozen=True)
class Scenario:
    """How the model and the channel behave, and what must hold all the same."""

    model: dict[str, Any]
    whatsapp: dict[str, Any]
    targets: dict[str, Target]


SCENARIOS = {
    "usual": Scenario(
        MODEL,
        WHATSAPP,
        {
            **ALL_GREETED,
            "total_p50_s": Target(most=0.95),
            "total_p99_s": Target(most=1.5),
            "total_p999_s": Target(most=2.0),
            "intake_p99_ms": Target(most=100),
            "overhead_p50_ms": Target(most=60),
            "sync_drained_s": Target(most=60),
            "cpu_ms_per_lead": Target(most=20),
        },
    ),
    "receipts": Scenario(MODEL, {**WHATSAPP, **RECEIPTS}, {**ALL_GREETED, "total_p99_s": Target(most=2.0)}),
    "slow_model": Scenario(
        {"median_ms": 1500, "p95_ms": 4000}, WHATSAPP, {**ALL_GREETED, "total_p999_s": Target(most=2.0)}
    ),
    "model_down": Scenario(
        {"fault": "error", "error_status": 503}, WHATSAPP, {**ALL_GREETED, "total_p999_s": Target(most=2.0)}
    ),
}


def measure(
    on: Stage, organization: Organization, *, rate_per_minute: int, seconds: float, warm_up: int = 200
) -> dict[str, Any]:
    """The figures of one run; warm-up leads come first and count for nothing."""
    load.run(on.stack.base_url, [organization.lead(at) for at in load.evenly(warm_up, seconds=warm_up / 40)])
    on.wait_until_drained()
    count = round(rate_per_minute * seconds / 60)
    planned = [organization.lead(at) for at in load.evenly(count, seconds=seconds)]
    cpu_before, began = on.stack.cpu_seconds_by_process(), time.time()
    sent = load.run(on.stack.base_url, planned)
    on.wait_until_drained(kinds=["greet_lead"], within_s=30)
    sync_drained_s = on.wait_until_drained(kinds=["sync_lead"], within_s=60)
    cpu_after = on.stack.cpu_seconds_by_process()
    figures: dict[str, Any] = {"leads": count, "rate_per_minute": rate_per_minute}
    figures |= _latencies(on, sent, since=began)
    figures |= {"sync_drained_s": None if math.isinf(sync_drained_s) else round(sync_drained_s, 2)}
    figures |= _cost(cpu_before, cpu_after, count)
    figures["memory_mb"] = {name: round(size / 1e6) for name, size in on.stack.memory_by_process().items()}
    return figures


def _latencies(on: Stage, sent: list[load.Sent], *, since: float) -> dict[str, Any]:
    accepted = on.sandbox.accepted(since=since)
    model_s = _model_seconds(on, since)
    totals, overheads, twice, intake, refused = [], [], 0, [], 0
    for one in sent:
        refused += one.status not in (200, 202)
        intake.append(one.seconds * 1000)
        channels = accepted.get(one.planned.label, {})
        twice += any(channel["count"] > 1 for channel in channels.values()) or len(channels) > 1
        answered = [channel["answered_at"] for channel in channels.values() if channel["answered_at"]]
        totals.append(min(answered) - one.scheduled_at if answered else float("inf"))
        if answered and one.planned.label in model_s:
            first = min(channels.values(), key=lambda channel: channel["answered_at"] or float("inf"))
            outside = (first["answered_at"] - first["arrived_at"]) + model_s[one.planned.label]
            overheads.append((totals[-1] - outside) * 1000)
    greeted = sum(total != float("inf") for total in totals)
    return {
        "greeted": round(greeted / len(sent), 5),
        "greeted_twice": twice,
        "not_accepted_requests": refused,
        **report.spread(totals, "total"),
        **report.spread(intake, "intake", "ms", 1),
        **report.spread(overheads, "overhead", "ms", 1),
        "model_answers_used": round(len(overheads) / len(sent), 4),
    }


def _model_seconds(on: Stage, since: float) -> dict[str, float]:
    """How long the model took for each lead, by the reference in its prompt; only answers that it gave."""
    seconds: dict[str, float] = {}
    for entry in on.sandbox.ledger(provider="openai", since=since, limit=200_000):
        _, _, rest = entry["text"].partition("my reference is ")
        if rest and entry["answered_at"] and entry["outcome"] == "answered":
            letters = "".join(itertools.takewhile(str.isalpha, rest))
            seconds[in_digits(letters)] = entry["answered_at"] - entry["arrived_at"]
    return seconds


def _cost(before: dict[str, float], after: dict[str, float], leads: int) -> dict[str, Any]:
    """CPU milliseconds per lead, by process; the sandbox's own are listed, and not counted as ours."""
    spent = {name: round((after[name] - before.get(name, 0.0)) * 1000 / leads, 2) for name in after}
    ours = sum(cost for name, cost in spent.items() if name != "sandbox")
    return {"cpu_ms_per_lead": round(ours, 2), "cpu_ms_by_process": spent}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=5000, help="leads a minute")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--scenario", choices=list(SCENARIOS), nargs="+", default=list(SCENARIOS))
    chosen = parser.parse_args()
    figures: dict[str, Any] = {}
    targets: dict[str, Target] = {}
    with stage() as on:
        for name in chosen.scenario:
            scenario = SCENARIOS[name]
            on.sandbox.set_dials("openai", **scenario.model)
            on.sandbox.set_dials("whatsapp", **scenario.whatsapp)
            measured = measure(on, on.organization(), rate_per_minute=chosen.rate, seconds=chosen.seconds)
            figures |= {f"{name}.{figure}": value for figure, value in measured.items()}
            targets |= {f"{name}.{figure}": target for figure, target in scenario.targets.items()}
        conditions = {**on.conditions(), "channel_ms": WHATSAPP["median_ms"], "sender_limit_per_second": 1000}
    return 0 if report.finish("first_response", figures, targets, conditions) else 1


if __name__ == "__main__":
    sys.exit(main())
