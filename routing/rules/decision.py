"""What the rules decided for one event. Pure."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The outcome of the rules, stored on the lead and in its event.

    queue: name of the queue that serves the first message.  priority: 0 is first within an organization.
    channel_order: channel names in the order to try, or None for the organization's own order.
    why: the rule that decided and what it read.
    """

    rule: str
    version: int
    queue: str
    priority: int
    team: str | None
    owner_strategy: str
    channel_order: tuple[str, ...] | None
    tags: tuple[str, ...]
    destinations: tuple[str, ...]
    why: str

    def as_json(self) -> dict[str, Any]:
        """The decision as plain JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
