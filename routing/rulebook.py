"""The rules an organization has published, ready to decide."""

import time
from uuid import UUID

from routing.rules import engine
from routing.rules.decision import Decision
from routing.rules.facts import Facts
from swiftex.observability import metrics

__all__ = ["Decision", "Facts", "decide"]


def decide(*, organization_id: UUID, facts: Facts) -> Decision:
    """The decision for these facts under the organization's published rules; makes no call and no look-up.

    Every organization has the one default rule so far, so its id does not change the outcome.
    Source: design.md D3.
    """
    began = time.perf_counter()
    decision = engine.decide(facts)
    metrics.routing_duration(time.perf_counter() - began)
    return decision
