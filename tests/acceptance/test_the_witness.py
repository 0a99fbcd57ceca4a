"""The checks that the promises rest on turn red when they should."""

import pytest
import requests

from tests.acceptance.shop import assert_reached_once, somebody


def test_a_message_sent_twice_is_noticed(shop):
    person = somebody()
    shop.ended(shop.submit(person))
    assert_reached_once(shop, [person])

    text = {"messaging_product": "whatsapp", "to": person.digits, "type": "text", "text": {"body": "Hi again"}}
    shop.dial("whatsapp", window="open", statuses=[])
    answer = requests.post(
        f"{shop.sandbox.whatsapp_url}/v23.0/{shop.number}/messages",
        json=text,
        headers={"Authorization": f"Bearer wa-token-{shop.slug}"},
        timeout=5,
    )

    assert answer.status_code == 200
    with pytest.raises(AssertionError):
        assert_reached_once(shop, [person])


def test_a_person_whom_nobody_wrote_to_is_noticed(shop):
    person, forgotten = somebody(), somebody()
    shop.ended(shop.submit(person))

    with pytest.raises(AssertionError):
        assert_reached_once(shop, [person, forgotten])


def test_a_lead_without_an_end_is_noticed(shop):
    shop.ended(shop.submit())

    with pytest.raises(AssertionError):
        shop.all_ended(2, within_s=0.2)
