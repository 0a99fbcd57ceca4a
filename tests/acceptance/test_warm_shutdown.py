"""Processes that are told to end finish what they are at: a deploy costs no lead, no message and no doubt."""

import signal
import time

from channels_out.models import Attempt
from tests.acceptance.patient import under_load
from tests.acceptance.shop import assert_reached_once

# Those that the launcher starts again at once, as a rolling deploy would.
RESTARTED = ["worker-greeting.1", "relay.1", "worker-greeting.2", "relay.2", "worker-background.1", "web.1"]
PATIENCE_S = 10


def test_processes_ended_under_load_finish_what_they_are_at(shop, stack):
    shop.dial("openai", median_ms=400)
    shop.dial("whatsapp", median_ms=300)
    seconds = {}
    with under_load(shop, count=160, per_s=8) as load:
        for name in RESTARTED:
            time.sleep(1.5)
            seconds[name] = _seconds_to_end(stack, name)

    assert shop.all_ended(160, within_s=60) == {"greeted": 160}

    assert_reached_once(shop, load.people)
    # Nobody was waited for until patience ended, and no call was cut off in its middle.
    assert {name: taken for name, taken in seconds.items() if taken > PATIENCE_S} == {}
    states = set(Attempt.objects.filter(message__organization_id=shop.organization_id).values_list("state", flat=True))
    assert states == {"accepted"}


def _seconds_to_end(stack, name: str) -> float:
    (pid,) = stack.pids(name)
    began = time.monotonic()
    stack.kill(name, signal.SIGTERM)
    while stack.pids(name) == [pid]:
        assert time.monotonic() - began < 2 * PATIENCE_S, f"{name} did not end"
        time.sleep(0.05)
    return time.monotonic() - began
