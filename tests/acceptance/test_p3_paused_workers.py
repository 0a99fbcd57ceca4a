"""P3: a worker that sleeps over its lease and wakes up may finish its own call; nobody gets a second message by it."""

import time

from tests.acceptance.shop import assert_reached_once, until

LEASE_S = 10


def test_workers_that_slept_over_their_leases_send_nothing_twice(new_shop, stack):
    shop = new_shop(greeting={"unknown_wait_s": 1})
    shop.dial("openai", median_ms=500)
    shop.dial("whatsapp", median_ms=800, statuses=[])
    shop.dial("twilio", statuses=[])
    people = shop.submit_many(30, at_once=15)
    until(lambda: len(shop.requests_to("whatsapp")) > 10, what="the first calls")

    stack.freeze("worker-greeting.1")
    time.sleep(LEASE_S + 2)
    stack.thaw("worker-greeting.1")

    assert shop.all_ended(30, within_s=40) == {"greeted": 30}
    assert_reached_once(shop, people)
    asked = [request["to"] for request in shop.requests_to("whatsapp")]
    assert len(asked) == len(set(asked))
    assert len(shop.messages()) == 30
