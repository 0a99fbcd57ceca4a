"""States of messages and attempts: which reports move them, whatever their order and number."""

from hypothesis import given
from hypothesis import strategies as st

from channels_out.delivery import (
    NO_RECEIPT,
    RECEIPT_RANKS,
    AttemptState,
    MessageStatus,
    Receipt,
    advances,
    attempt_may_move,
    best_status,
    status_of,
)

RECEIPTS = st.lists(st.sampled_from(list(Receipt)), max_size=8)


def folded(receipts):
    rank = NO_RECEIPT
    for receipt in receipts:
        if advances(rank, receipt):
            rank = RECEIPT_RANKS[receipt]
    return rank


@given(RECEIPTS, st.randoms())
def test_order_and_copies_of_receipts_do_not_matter(receipts, source):
    shuffled = receipts * 2
    source.shuffle(shuffled)

    assert folded(shuffled) == folded(receipts)


@given(RECEIPTS, st.sampled_from(list(Receipt)))
def test_another_receipt_never_lowers_the_rank(receipts, one_more):
    assert folded([*receipts, one_more]) >= folded(receipts)


@given(RECEIPTS)
def test_failed_counts_only_when_nothing_was_delivered_or_read(receipts):
    is_failed = status_of(AttemptState.ACCEPTED, folded(receipts)) is MessageStatus.FAILED

    assert is_failed == (Receipt.FAILED in receipts and not {Receipt.DELIVERED, Receipt.READ} & set(receipts))


@given(st.lists(st.sampled_from(list(AttemptState)), max_size=10))
def test_whatever_is_tried_an_attempt_ends_at_most_once_after_unknown(moves):
    state, changes = AttemptState.SENDING, []
    for to in moves:
        if attempt_may_move(state, to):
            state = to
            changes.append(to)

    assert len(changes) <= 2
    assert AttemptState.SENDING not in changes
    if len(changes) == 2:
        assert changes[0] is AttemptState.UNKNOWN


def test_a_settled_answer_stays():
    for final in (AttemptState.ACCEPTED, AttemptState.REFUSED, AttemptState.ABANDONED):
        assert not any(attempt_may_move(final, to) for to in AttemptState)


OF_ATTEMPTS = [status_of(AttemptState.ACCEPTED, rank) for rank in range(5)] + [MessageStatus.SENDING]


@given(st.lists(st.sampled_from(OF_ATTEMPTS), min_size=1))
def test_a_message_failed_only_if_every_attempt_did(statuses):
    assert (best_status(statuses) is MessageStatus.FAILED) == (set(statuses) == {MessageStatus.FAILED})
