"""P3: a worker that dies anywhere around the provider call neither greets twice nor leaves a lead without an end."""

import signal
import subprocess
import time
from dataclasses import dataclass

import pytest

from swiftex.runtime import procfile
from swiftex.runtime.stack import ROOT, Stack
from tests.acceptance.shop import Person, Shop, assert_reached_once, open_shop, until

POINTS = ["before_intent", "after_intent", "during_call", "after_call", "after_commit_before_ack"]
THREADS = 10


@dataclass(frozen=True)
class Crashed:
    """What is there after a worker died at each point and healthy ones took over."""

    shop: Shop
    people: list[Person]
    ended_by: dict[str, int]


@pytest.fixture(scope="module")
def crashed(stack, sandbox) -> Crashed:
    """The greeting workers were replaced by five, each of which died at its point with up to ten leads in its hands."""
    shop = open_shop(stack, sandbox, greeting={"unknown_wait_s": 2})
    shop.dial("openai", median_ms=300)
    shop.dial("whatsapp", median_ms=100, statuses=[])
    shop.dial("twilio", statuses=[])
    # Every fifth person needs the second channel, so that workers die around that call too.
    shop.rule("whatsapp", to_ends="3", fault="error", error_code=131026)
    shop.rule("whatsapp", to_ends="7", failed_code=131026, statuses=None)
    stack.stop_process("worker-greeting")
    doomed = {point: _worker(stack, point) for point in POINTS}
    people: list[Person] = []
    try:
        until(stack.is_ready, what="the doomed workers' readiness")
        while not _all_dead(doomed):
            assert len(people) < 240, "a worker did not reach its point"
            people += shop.submit_many(12)
            next_round_at = time.monotonic() + 3
            until(lambda: _all_dead(doomed) or time.monotonic() > next_round_at, what="the next round")  # noqa: B023
    finally:
        for worker in doomed.values():
            worker.kill()
            worker.wait()
        stack.start_process("worker-greeting")
    ended_by = {point: -worker.returncode for point, worker in doomed.items()}
    return Crashed(shop=shop, people=people, ended_by=ended_by)


def _worker(stack: Stack, point: str) -> subprocess.Popen[bytes]:
    """A greeting worker that dies at the point."""
    environment = {
        **stack.env, "SWIFTEX_CRASH_POINT": point, "SWIFTEX_GREETING_THREADS": str(THREADS), "SWIFTEX_ROLE": "worker",
        "SWIFTEX_PROCESS": f"doomed-{point}",
    }  # fmt: skip
    command = procfile.read(ROOT / "Procfile")["worker-greeting"]
    with (stack.folder / "logs" / f"doomed-{point}.log").open("wb") as log:
        return subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, env=environment, stdout=log, stderr=log)


def _all_dead(doomed: dict[str, subprocess.Popen[bytes]]) -> bool:
    return all(worker.poll() is not None for worker in doomed.values())


@pytest.mark.parametrize("point", POINTS)
def test_the_worker_died_at_its_point(crashed, point):
    assert crashed.ended_by[point] == signal.SIGKILL


def test_every_lead_ends_where_people_see_it(crashed):
    states = crashed.shop.all_ended(len(crashed.people), within_s=60)

    assert set(states) <= {"greeted", "unresolved"}
    assert states["greeted"] >= len(crashed.people) - THREADS * len(POINTS)
    assert {message.status for message in crashed.shop.messages()} <= {"accepted", "unresolved"}
    assert len(crashed.shop.messages()) == len(crashed.people)
    assert not crashed.shop.jobs.filter(state="dead").exists()


def test_no_channel_carried_two_messages_and_one_was_tried_for_everybody(crashed):
    crashed.shop.all_ended(len(crashed.people), within_s=60)

    assert_reached_once(crashed.shop, crashed.people)
    for provider in ("whatsapp", "twilio"):
        asked = [request["to"] for request in crashed.shop.requests_to(provider)]
        assert asked
        assert len(asked) == len(set(asked))
