"""Where a message and an attempt stand, and which reports move them. Pure: no Django, no clock, no I/O."""

from enum import StrEnum


class MessageStatus(StrEnum):
    """Where a message stands. Inbound messages are `received` from the start."""

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    SUPPRESSED = "suppressed"
    RECEIVED = "received"


class AttemptState(StrEnum):
    """What is known of one call to one provider."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    ABANDONED = "abandoned"


class Receipt(StrEnum):
    """What a provider reports later about an accepted message."""

    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"


# `failed` stands between sent and delivered: it wins over "sent", and a delivery proves it wrong. With one total
# order the result of any set of receipts is its maximum, so order and copies can't matter.
RECEIPT_RANKS: dict[Receipt, int] = {Receipt.SENT: 1, Receipt.FAILED: 2, Receipt.DELIVERED: 3, Receipt.READ: 4}
NO_RECEIPT = 0
RECEIPT_OF_RANK: dict[int, Receipt] = {rank: receipt for receipt, rank in RECEIPT_RANKS.items()}

# Attempts that hold their channel: another attempt there could be a second message.
HOLDING_STATES = frozenset({AttemptState.SENDING, AttemptState.ACCEPTED, AttemptState.UNKNOWN})

_ATTEMPT_MOVES: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.SENDING: frozenset(
        {AttemptState.ACCEPTED, AttemptState.REFUSED, AttemptState.UNKNOWN, AttemptState.ABANDONED}
    ),
    # A paused worker that wakes up still knows the truth about its own single call.
    AttemptState.UNKNOWN: frozenset({AttemptState.ACCEPTED, AttemptState.REFUSED}),
    AttemptState.ACCEPTED: frozenset(),
    AttemptState.REFUSED: frozenset(),
    AttemptState.ABANDONED: frozenset(),
}


def advances(rank: int, to: Receipt) -> bool:
    """True when the receipt tells more than what was known; equal and older reports change nothing."""
    return RECEIPT_RANKS[to] > rank


def attempt_may_move(state: AttemptState, to: AttemptState) -> bool:
    """True when the attempt's state may change so: `unknown` is settled later, every other answer is final."""
    return to in _ATTEMPT_MOVES[state]


def status_of(state: AttemptState, rank: int) -> MessageStatus:
    """Where one attempt alone would put its message, in view of the best receipt (rank 0: none yet)."""
    if state is AttemptState.ACCEPTED or (state is AttemptState.UNKNOWN and rank != NO_RECEIPT):
        return MessageStatus(RECEIPT_OF_RANK[rank].value) if rank else MessageStatus.ACCEPTED
    if state in {AttemptState.REFUSED, AttemptState.ABANDONED}:
        return MessageStatus.FAILED
    return MessageStatus.SENDING


_STANDING = {
    MessageStatus.FAILED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.ACCEPTED: 2,
    MessageStatus.SENT: 3,
    MessageStatus.DELIVERED: 4,
    MessageStatus.READ: 5,
}


def best_status(statuses: list[MessageStatus]) -> MessageStatus:
    """Where several attempts together put their message: the furthest one counts; failed only if all of them did."""
    return max(statuses, key=_STANDING.__getitem__, default=MessageStatus.PLANNED)
