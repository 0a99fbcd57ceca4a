"""Processes that die, sleep or race around the provider call: never a second message on a channel (promise P3)."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.selectors import forget_cached_organizations
from channels_out import senders
from channels_out.models import Attempt, Message
from channels_out.providers.base import Accepted, Outgoing
from channels_out.services import advancing, deliver, outcomes
from channels_out.services.calls import Intent, call
from channels_out.services.orders import DeliveryOrder
from routing.models import SlotLimit
from sandbox.process import running_sandbox
from tests.integration.delivery_ground import make_ground

pytestmark = pytest.mark.django_db(transaction=True)

# Runs `deliver` in a process of its own, as a worker would; what it is told to do comes in on standard input.
WORKER = """
import json, sys
import django
django.setup()
from datetime import datetime
from uuid import UUID
from channels_out.services import DeliveryOrder, deliver
import channels_out.jobs
given = json.load(sys.stdin)
for name in ("organization_id", "lead_id", "contact_id", "conversation_id"):
    given[name] = UUID(given[name])
given["received_at"] = datetime.fromisoformat(given["received_at"])
given["channel_names"] = tuple(given["channel_names"])
print(deliver(DeliveryOrder(**given)).state)
"""


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture
def ground(sandbox, transactional_db):
    sandbox.reset()
    return make_ground(sandbox)


def deliver_elsewhere(order: DeliveryOrder, crash_point: str) -> int:
    database = connection.settings_dict
    login = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
    url = f"postgresql://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = os.environ | {
        "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "swiftex.settings", "SWIFTEX_CRASH_POINT": crash_point,
    }  # fmt: skip
    given = {name: value for name, value in asdict(order).items() if value is not None}
    worker = subprocess.run(
        [sys.executable, "-c", WORKER], input=json.dumps(given, default=str), text=True, env=environment,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return worker.returncode


def pass_time(message_id, *, seconds):
    """What happened to the message happened so many seconds earlier."""
    earlier = timedelta(seconds=seconds)
    for attempt in Attempt.objects.filter(message_id=message_id):
        attempt.started_at -= earlier
        attempt.deadline_at -= earlier
        attempt.save(update_fields=["started_at", "deadline_at"])


# (crash point, messages at WhatsApp, messages at Twilio) after everything was settled.
POINTS = [
    ("before_intent", 1, 0),
    ("after_intent", 0, 1),
    ("during_call", 1, 1),
    ("after_call", 1, 1),
    ("after_commit_before_ack", 1, 0),
]


@pytest.mark.parametrize(("point", "by_whatsapp", "by_sms"), POINTS)
def test_a_worker_killed_around_the_call_never_sends_twice_on_a_channel(ground, point, by_whatsapp, by_sms):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, median_ms=150, statuses=[])
    order = ground.order(lead, unknown_wait_s=20.0)

    assert deliver_elsewhere(order, point) == -signal.SIGKILL

    for _ in range(3):
        delivered = deliver(order)
        pass_time(delivered.message_id, seconds=30)
    settled = advancing.advance(organization_id=ground.organization.id, message_id=delivered.message_id)

    assert settled.state == "accepted"
    assert (ground.sent(lead, "whatsapp"), ground.sent(lead, "twilio")) == (by_whatsapp, by_sms)
    assert Message.objects.count() == 1
    numbers = list(Attempt.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_receipt_settles_what_a_dead_worker_left(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, statuses=[])
    order = ground.order(lead, unknown_wait_s=20.0)
    deliver_elsewhere(order, "after_call")
    attempt = Attempt.objects.get()
    Attempt.objects.update(receipt_rank=3, provider_id="wamid.X")
    pass_time(attempt.message_id, seconds=5)

    settled = deliver(order)

    assert settled.state == "accepted"
    assert Message.objects.get().status == "delivered"
    assert (ground.sent(lead, "whatsapp"), ground.sent(lead, "twilio")) == (1, 0)
    assert ground.events(lead) == ["message.accepted"]


def in_parallel(works):
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait()
        work()
        connection.close()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_workers_with_one_obligation_send_once(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, median_ms=100)
    order = ground.order(lead)
    states = []

    in_parallel([lambda: states.append(deliver(order).state)] * 4)

    assert set(states) <= {"accepted", "sending"}
    assert ground.sent(lead, "whatsapp") == 1
    assert (Message.objects.count(), Attempt.objects.count()) == (1, 1)
    assert ground.events(lead) == ["message.accepted"]


def test_a_worker_that_wakes_up_late_still_tells_the_truth_about_its_own_call(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="drop", statuses=[])
    delivered = ground.deliver(lead)
    attempt = Attempt.objects.get()
    assert attempt.state == "unknown"
    sender = senders.senders_of(ground.organization.id).by_name["wa-main"]
    order = ground.order(lead)
    intent = Intent(
        organization_id=ground.organization.id, message_id=delivered.message_id, attempt_id=attempt.id, number=1,
        sender=sender, outgoing=Outgoing(attempt_id=attempt.id, to="", text=""), began=0.0,
    )  # fmt: skip
    about = outcomes.Obliged(
        organization_id=ground.organization.id, message_id=delivered.message_id, obligation="greeting",
        obligation_key=order.obligation_key, lead_id=lead.id, contact_id=lead.contact_id, conversation_id=None,
        text_source="model", text_reason="", unknown_wait_s=20.0, received_at=lead.received_at, dispatched_at=None,
        started_at=None, model_answered_at=None,
    )  # fmt: skip

    answers = [
        outcomes.store_accepted(about, intent, Accepted(provider_id="w"), at=datetime.now(UTC)) for _ in range(2)
    ]

    assert answers == [True, False]
    assert Message.objects.get().status == "accepted"
    assert ground.events(lead) == ["message.accepted"]


def test_an_attempt_that_slept_past_its_deadline_makes_no_call(ground):
    lead = ground.lead()
    delivered = ground.deliver(lead)
    attempt = Attempt.objects.get()
    sender = senders.senders_of(ground.organization.id).by_name["sms-main"]
    outgoing = Outgoing(attempt_id=attempt.id, to=lead.phone, text="late")
    intent = Intent(
        organization_id=ground.organization.id, message_id=delivered.message_id, attempt_id=attempt.id, number=1,
        sender=sender, outgoing=outgoing, began=-1e6,
    )  # fmt: skip
    called = call(intent)

    assert (called.made, called.outcome.code) == (False, "too_late_to_call")
    assert ground.sent(lead, "twilio") == 0


def test_a_message_that_no_job_takes_care_of_is_taken_up(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="drop", statuses=[])
    delivered = ground.deliver(lead, unknown_wait_s=1.0)
    ground.jobs("settle_message").delete()
    pass_time(delivered.message_id, seconds=60)

    assert advancing.take_up_what_was_left() == 1
    assert advancing.take_up_what_was_left() == 1

    assert ground.jobs("settle_message").count() == 1


def test_an_organization_may_choose_rather_twice_than_never(ground):
    ground.organization.on_ambiguous = "at_least_once"
    ground.organization.save()
    forget_cached_organizations()
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, times=1, fault="drop", statuses=[])
    delivered = ground.deliver(lead, unknown_wait_s=1.0)
    pass_time(delivered.message_id, seconds=5)

    settled = advancing.advance(organization_id=ground.organization.id, message_id=delivered.message_id)

    assert settled.state == "accepted"
    assert (ground.sent(lead, "whatsapp"), ground.sent(lead, "twilio")) == (2, 0)
    assert [a.state for a in Attempt.objects.order_by("number")] == ["abandoned", "accepted"]


def test_one_lost_answer_is_an_accident_and_several_cut_the_organization_to_probing_slots(ground):
    ground.sandbox.set_dials("whatsapp", ground.whatsapp.settings["phone_number_id"], fault="hang")
    orders = [ground.order(ground.lead(), channel_names=("wa-main",)) for _ in range(5)]

    deliver(orders[0])
    assert SlotLimit.objects.count() == 0
    in_parallel([lambda order=order: deliver(order) for order in orders[1:]])

    assert SlotLimit.objects.get().organization_id == ground.organization.id
    passed_over = ground.deliver(ground.lead())
    assert (passed_over.state, passed_over.channel_name) == ("accepted", "sms-main")
