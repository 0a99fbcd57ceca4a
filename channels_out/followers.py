"""What the relays fold for delivery, one relay at a time."""

from channels_out.services import receipts
from routing.followers import follower


@follower(name="fold_receipts", interval_s=0.1)
def fold_receipts() -> int:
    """Receipts that providers posted are in the messages' states."""
    return receipts.fold_carefully()
