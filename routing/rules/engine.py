"""From facts to a decision: pure, without Django, I/O or a clock."""

from routing.rules.decision import Decision
from routing.rules.facts import Facts

DEFAULT_RULE = "default"


def decide(facts: Facts) -> Decision:
    """The decision of the one default rule: the greeting queue, at once, over the organization's own channels."""
    return Decision(
        rule=DEFAULT_RULE,
        version=1,
        queue="greeting",
        priority=0,
        team=None,
        owner_strategy="unassigned",
        channel_order=None,
        tags=(),
        destinations=(),
        why=f"rule {DEFAULT_RULE} matches every {facts.event_type}",
    )
