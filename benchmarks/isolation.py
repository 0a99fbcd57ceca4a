"""Whether a greeting waits behind other work: a backlog of follow-ups and syncs, and another organization's burst.

    python -m benchmarks.isolation [--pairs 5] [--seconds 15]

Each kind of trouble takes turns with calm, and the medians over the pairs are compared.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks import load, report
from benchmarks.report import Target
from benchmarks.stage import Organization, Stage, stage

BACKLOG = 50_000
BURST = 2_000
BATCH = 1_000
_FILL_BACKLOG = """
INSERT INTO routing_job (id, organization_id, kind, queue, key, payload, state, available_at, generation, attempts,
    max_attempts, dispatch_count, failures, created_at)
SELECT gen_random_uuid(), lead.organization_id, 'sync_lead', CASE n %% 2 WHEN 0 THEN 'sync' ELSE 'followup' END,
    'backlog:' || n, jsonb_build_object('organization_id', lead.organization_id, 'lead_id', lead.id), 'waiting',
    now() - interval '1 minute', 1, 0, 3, 0, '[]', now()
FROM generate_series(1, %(count)s) n
CROSS JOIN (SELECT organization_id, id FROM leads_lead ORDER BY id LIMIT 1) lead
"""
_EMPTY_BACKLOG = "DELETE FROM routing_job WHERE key LIKE 'backlog:%'"


def greeting_seconds(on: Stage, organization: Organization, *, rate_per_minute: int, seconds: float) -> list[float]:
    """From scheduled send to acceptance, for every lead of a steady stream; infinite for one that got nothing."""
    planned = [organization.lead(at) for at in load.evenly(round(rate_per_minute * seconds / 60), seconds=seconds)]
    return _measured(on, planned, {one.label for one in planned})


def _measured(on: Stage, planned: list[load.Planned], watched: set[str]) -> list[float]:
    began = time.time()
    sent = load.run(on.stack.base_url, planned)
    until = time.monotonic() + 60
    while True:
        accepted = on.sandbox.accepted(since=began)
        if watched <= accepted.keys() or time.monotonic() > until:
            break
        time.sleep(0.2)
    totals = []
    for one in sent:
        if one.planned.label in watched:
            answered = [channel["answered_at"] for channel in accepted.get(one.planned.label, {}).values()]
            totals.append(min(filter(None, answered), default=float("inf")) - one.scheduled_at)
    return totals


def behind_backlog(on: Stage, organization: Organization, seconds: float) -> list[float]:
    """Greetings at 1,500 leads a minute with 50,000 due jobs waiting in followup and sync."""
    with on.connect() as connection:
        connection.execute(_FILL_BACKLOG, {"count": BACKLOG})
        connection.execute("ANALYZE routing_job")
    try:
        return greeting_seconds(on, organization, rate_per_minute=1500, seconds=seconds)
    finally:
        with on.connect() as connection:
            connection.execute(_EMPTY_BACKLOG)
        on.wait_until_drained()


def beside_burst(on: Stage, bursting: Organization, steady: Organization, seconds: float) -> list[float]:
    """Greetings of one organization at 300 leads a minute while another sends 2,000 leads at once."""
    burst = [_batch(bursting, at_s=1.0 + index * 0.01) for index in range(BURST // BATCH)]
    stream = [steady.lead(at) for at in load.evenly(round(seconds * 5), seconds=seconds)]
    totals = _measured(on, [*burst, *stream], {one.label for one in stream})
    on.wait_until_drained(within_s=120)
    return totals


def _batch(organization: Organization, *, at_s: float) -> load.Planned:
    leads = [organization.lead(0) for _ in range(BATCH)]
    body = b'{"leads": [' + b", ".join(lead.body for lead in leads) + b"]}"
    return load.Planned(at_s=at_s, path="/api/v1/leads/batch", body=body, headers=leads[0].headers, label="burst")


def compare(
    name: str, share: float, pairs: int, calm: Callable[[], list[float]], trouble: Callable[[], list[float]]
) -> dict[str, float]:
    """Medians over the pairs of one percentile without and with the trouble, and how much is lost."""
    calms, troubles = [], []
    for _ in range(pairs):
        calms.append(report.percentile(calm(), share))
        troubles.append(report.percentile(trouble(), share))
    ratios = [with_it / without for with_it, without in zip(troubles, calms, strict=True)]
    label = f"p{share * 100:g}"
    return {
        f"{name}_calm_{label}_s": round(statistics.median(calms), 3),
        f"{name}_{label}_s": round(statistics.median(troubles), 3),
        f"{name}_ratio": round(statistics.median(ratios), 3),
        f"{name}_more_ms": round(statistics.median((b - a) * 1000 for a, b in zip(calms, troubles, strict=True)), 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15)
    chosen = parser.parse_args()
    with stage() as on:
        steady, bursting = on.organization(), on.organization()
        greeting_seconds(on, steady, rate_per_minute=1500, seconds=8)
        on.wait_until_drained()
        figures = compare(
            "backlog",
            0.99,
            chosen.pairs,
            lambda: greeting_seconds(on, steady, rate_per_minute=1500, seconds=chosen.seconds),
            lambda: behind_backlog(on, steady, chosen.seconds),
        )
        figures |= compare(
            "burst",
            0.95,
            chosen.pairs,
            lambda: greeting_seconds(on, steady, rate_per_minute=300, seconds=chosen.seconds),
            lambda: beside_burst(on, bursting, steady, chosen.seconds),
        )
        conditions = {**on.conditions(), "backlog_jobs": BACKLOG, "burst_leads": BURST, "pairs": chosen.pairs}
    # Either bound will do: 1.25 times, or 100 ms more.
    for name in ("backlog", "burst"):
        figures[f"{name}_is_isolated"] = float(figures[f"{name}_ratio"] <= 1.25 or figures[f"{name}_more_ms"] <= 100)
    targets = {"backlog_is_isolated": Target(least=1), "burst_is_isolated": Target(least=1)}
    return 0 if report.finish("isolation", figures, targets, conditions) else 1


if __name__ == "__main__":
    sys.exit(main())
