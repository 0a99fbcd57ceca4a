"""What the relays do for delivery, one relay at a time."""

from channels_out.services import advancing, receipts
from routing.followers import follower


@follower(name="fold_receipts", interval_s=0.1, full_batch=receipts.BATCH)
def fold_receipts() -> int:
    """Receipts that providers posted are in the messages' states."""
    return receipts.fold_carefully()


@follower(name="take_up_messages", interval_s=10.0)
def take_up_messages() -> int:
    """Messages that a dead process left in doubt have a job again; 0, for what was taken up is found again."""
    advancing.take_up_what_was_left()
    return 0
