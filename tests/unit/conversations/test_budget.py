"""The model gets what is left less the channel's reserve, never more than its own limit."""

import pytest

from conversations.engine.budget import model_limit_s


@pytest.mark.parametrize(
    ("remaining_s", "limit_s"), [(2.0, 1.1), (1.5, 0.9), (0.7, 0.1), (0.6, 0.0), (0.0, 0.0), (-30.0, 0.0)]
)
def test_limit(remaining_s, limit_s):
    assert model_limit_s(remaining_s=remaining_s, reserve_s=0.6, timeout_s=1.1) == pytest.approx(limit_s)
