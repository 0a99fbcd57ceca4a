"""The statements that fold receipts do what the pure core of delivery says, whatever comes, how often, in batches."""

import random

import pytest

from channels_out.delivery import NO_RECEIPT, RECEIPT_RANKS, AttemptState, Receipt, advances, status_of
from channels_out.models import Message
from sandbox.process import running_sandbox
from tests.integration.delivery_ground import make_ground
from tests.integration.test_callbacks import attempt_of, envelope, fold, post_whatsapp, status

pytestmark = pytest.mark.django_db(transaction=True)
NUMBER_UNREACHABLE = 131026


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture
def ground(sandbox, transactional_db):
    sandbox.reset()
    return make_ground(sandbox)


def test_receipts_put_attempt_and_message_where_the_pure_core_says(ground) -> None:
    chance = random.Random(3)
    for _ in range(20):
        attempt = attempt_of(ground.deliver(ground.lead()))
        receipts = chance.choices(list(Receipt), k=chance.randint(1, 6))
        rank = NO_RECEIPT
        for number, receipt in enumerate(receipts):
            code = NUMBER_UNREACHABLE if receipt is Receipt.FAILED else None
            facts = {"statuses": [status(attempt, receipt.value, code=code)], "n": number}
            assert post_whatsapp(ground, envelope(ground, facts)).status_code == 200
            if chance.random() < 0.5:
                fold()
            rank = RECEIPT_RANKS[receipt] if advances(rank, receipt) else rank
        fold()

        attempt.refresh_from_db()
        message = Message.objects.get(pk=attempt.message_id)
        assert (attempt.receipt_rank, message.status) == (rank, status_of(AttemptState.ACCEPTED, rank)), receipts
