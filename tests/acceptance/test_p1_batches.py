"""P1 for many leads in one request: each is captured, however long the whole takes."""

import uuid

from tests.acceptance.shop import assert_reached_once, somebody


def test_a_batch_that_takes_longer_than_one_request_may_wait_is_captured_whole(shop):
    people = [somebody() for _ in range(500)]
    body, key = {"leads": [shop.body(person) for person in people]}, str(uuid.uuid4())

    answers = [shop.post(body, path="/api/v1/leads/batch", key=key, timeout_s=60) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["captured"] == 500
    assert answers[0].content == answers[1].content
    assert shop.all_ended(500, within_s=60) == {"greeted": 500}
    assert_reached_once(shop, people)


def test_one_bad_lead_of_a_batch_is_named_and_hinders_no_other(shop):
    good, bad, twice = somebody(), somebody(), somebody()
    leads = [shop.body(good), shop.body(bad, phone="12", email="no address"), shop.body(twice), shop.body(twice)]

    answer = shop.post({"leads": leads}, path="/api/v1/leads/batch").json()

    assert [result["status"] for result in answer["results"]] == [202, 400, 202, 200]
    assert (answer["captured"], answer["duplicates"], answer["refused"]) == (2, 1, 1)
    assert {fault["field"] for fault in answer["results"][1]["problem"]["errors"]} & {"phone", "email"}
    assert shop.all_ended(2) == {"greeted": 2}
