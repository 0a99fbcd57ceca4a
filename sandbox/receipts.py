"""When which receipt of an accepted message leaves: delayed, doubled, shuffled, before the answer."""

import random

from sandbox.dials import Dials


def receipt_plan(dials: Dials, *, usual: tuple[str, ...], failing: tuple[str, ...], answer_in_s: float,
                 source: random.Random) -> list[tuple[float, str]]:  # fmt: skip
    """(seconds from now, status) for every receipt to post, in the order they leave.

    usual, failing: the provider's statuses of a message that arrives, and of one that fails with `failed_code`.
    answer_in_s: when the send call is answered; receipts count from then, unless dialled to come before it.
    """
    statuses = list(dials.statuses if dials.statuses is not None else (failing if dials.failed_code else usual))
    if dials.status_order == "reversed":
        statuses.reverse()
    elif dials.status_order == "shuffled":
        source.shuffle(statuses)
    start_s = 0.0 if dials.status_before_answer else answer_in_s + dials.status_delay_ms / 1000
    return [
        (start_s + position * dials.status_gap_ms / 1000, status)
        for position, status in enumerate(statuses)
        for _ in range(dials.status_copies)
    ]
