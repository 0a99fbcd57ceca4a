"""How long a model may take, so that the channel still gets its share. Pure."""


def model_limit_s(*, remaining_s: float, reserve_s: float, timeout_s: float) -> float:
    """Seconds that the model may take, never negative: what is left of the deadline less the channel's reserve.

    timeout_s: the organization's own limit, which caps it.  Source: design.md D6.
    """
    return max(0.0, min(remaining_s - reserve_s, timeout_s))
