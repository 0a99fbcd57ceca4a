"""The follower of the event log that keeps the reports current."""

from analytics import services
from routing.followers import follower


@follower(name=services.NAME, interval_s=1.0, full_batch=services.BATCH)
def fold_lead_stats() -> int:
    """Reports are about a second behind; a backlog is folded batch after batch."""
    return services.fold_batch()
