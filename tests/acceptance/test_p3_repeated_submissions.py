"""P3, I1: the same Idempotency-Key again gets the stored answer, byte for byte, and nothing happens twice."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.db import transaction

from accounts.idempotency import begin
from leads.models import Touch
from tests.acceptance.shop import somebody


def test_a_repeated_key_gets_the_same_bytes_and_has_no_effect(shop):
    body, key = shop.body(somebody()), str(uuid.uuid4())

    answers = [shop.post(body, key=key) for _ in range(3)]
    shop.all_ended(1)

    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.content for answer in answers}) == 1
    assert Touch.objects.filter(organization_id=shop.organization_id).count() == 1
    assert shop.events("lead.resubmitted") == []
    assert len(shop.messages()) == 1


def test_copies_at_once_get_the_same_bytes_or_hear_that_the_first_still_runs(shop):
    body, key = shop.body(somebody()), str(uuid.uuid4())

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: shop.post(body, key=key), range(10)))
    last = shop.post(body, key=key)

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {202, 409}
    assert statuses[202] >= 1
    assert {answer.content for answer in answers if answer.status_code == 202} == {last.content}
    assert shop.leads.count() == 1
    assert Touch.objects.filter(organization_id=shop.organization_id).count() == 1


def test_a_copy_is_refused_while_the_first_still_runs(shop):
    body, key = shop.body(somebody()), str(uuid.uuid4())

    with transaction.atomic():
        begin(shop.organization_id, key, b"the first request, which has not ended")
        answer = shop.post(body, key=key)

    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert shop.leads.count() == 0
    assert shop.post(body, key=key).status_code == 202


def test_the_key_with_another_body_is_refused(shop):
    key = str(uuid.uuid4())
    shop.post(shop.body(somebody()), key=key)

    answer = shop.post(shop.body(somebody()), key=key)

    assert answer.status_code == 422
    assert shop.leads.count() == 1


def test_the_same_key_of_two_organizations_means_two_requests(new_shop):
    key, person = str(uuid.uuid4()), somebody()
    shops = [new_shop(), new_shop()]

    answers = [shop.post(shop.body(person), key=key) for shop in shops]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert [shop.leads.count() for shop in shops] == [1, 1]


def test_a_repeated_external_id_is_the_same_lead(shop):
    person, other = somebody(), somebody()

    first = shop.submit(person, external_id="form-7")
    again = shop.submit(other, expect=200, external_id="form-7")

    assert again.id == first.id
    shop.all_ended(1)
    assert len(shop.messages()) == 1
    assert shop.received(other) == {}
