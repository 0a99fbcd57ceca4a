"""What each event adds to the figures."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from analytics.folds import Happened, Tally
from analytics.histogram import bucket_of

ORGANIZATION = uuid4()
AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
LEAD = uuid4()


@pytest.fixture
def tally():
    return Tally(day_of=lambda _, moment: moment.date())


def happened(event_type, *, lead_id=LEAD, at=AT, **data):
    return Happened(ORGANIZATION, event_type, {"lead_id": str(lead_id) if lead_id else None, **data}, at)


def created(lead_id=LEAD, source="website"):
    return happened("lead.created", lead_id=lead_id, source=source, received_at=AT.isoformat())


def accepted(*, after_ms=900, lead_id=LEAD, kind="whatsapp_cloud", obligation="greeting", **data):
    accepted_at = (AT + timedelta(milliseconds=after_ms)).isoformat()
    return happened(
        "message.accepted", lead_id=lead_id, obligation=obligation, channel_kind=kind, accepted_at=accepted_at, **data
    )


def told(tally):
    return {(key.source, key.channel, key.measure, key.detail): count for key, count in tally.counts.items()}


def test_a_greeted_lead(tally):
    tally.add(created())
    tally.add(accepted(after_ms=900, text_source="model"))

    assert told(tally) == {
        ("website", "", "captured", ""): 1,
        ("website", "whatsapp_cloud", "accepted", ""): 1,
        ("website", "whatsapp_cloud", "greeted", ""): 1,
        ("website", "whatsapp_cloud", "bucket", str(bucket_of(900))): 1,
        ("website", "whatsapp_cloud", "under_2s", ""): 1,
    }
    assert tally.facts[LEAD].first_response_ms == 900


def test_a_lead_greeted_late_by_fallback_is_not_under_the_promise(tally):
    tally.add(created())
    tally.add(accepted(after_ms=2000, text_source="fallback", text_reason="late"))

    assert ("website", "whatsapp_cloud", "under_2s", "") not in told(tally)
    assert told(tally)["website", "whatsapp_cloud", "fallback", "late"] == 1


def test_only_the_first_acceptance_is_the_first_response(tally):
    tally.add(created())
    tally.add(accepted(after_ms=900))
    tally.add(accepted(after_ms=9000, kind="twilio_sms"))

    assert told(tally)["website", "twilio_sms", "accepted", ""] == 1
    assert ("website", "twilio_sms", "greeted", "") not in told(tally)
    assert tally.facts[LEAD].first_response_ms == 900


def test_other_messages_are_no_first_response(tally):
    tally.add(created())
    tally.add(accepted(obligation="reply"))

    assert told(tally) == {("website", "", "captured", ""): 1}


def test_the_same_fact_told_twice_counts_one_lead(tally):
    tally.add(created())
    tally.add(created())

    assert told(tally) == {("website", "", "captured", ""): 1}


def test_ends_that_are_no_greeting(tally):
    tally.add(created())
    tally.add(happened("message.suppressed", reason="opted_out", obligation="greeting"))
    tally.add(happened("message.failed", channel_kind="twilio_sms", code="30003", final=True))
    tally.add(happened("message.failed", channel_kind="whatsapp_cloud", code="131026", final=False))
    tally.add(happened("message.unresolved", channel_kind="twilio_sms"))
    tally.add(happened("lead.synced"))

    assert told(tally) == {
        ("website", "", "captured", ""): 1,
        ("website", "", "suppressed", "opted_out"): 1,
        ("website", "twilio_sms", "failed", "30003"): 1,
        ("website", "twilio_sms", "unresolved", ""): 1,
    }


def test_a_person_replies_once_and_a_stop_is_no_reply(tally):
    tally.add(created())
    tally.add(happened("message.received", channel_kind="whatsapp_cloud", is_stop=True))
    tally.add(happened("message.received", channel_kind="whatsapp_cloud", is_stop=False))
    tally.add(happened("message.received", channel_kind="whatsapp_cloud", is_stop=False))

    assert told(tally)["website", "whatsapp_cloud", "stopped", ""] == 1
    assert told(tally)["website", "whatsapp_cloud", "replied", ""] == 1


def test_a_repeat_counts_for_the_source_it_came_from(tally):
    tally.add(created())
    tally.add(happened("lead.resubmitted", source="partner", matched_by="phone", received_at=AT.isoformat()))

    assert told(tally)["partner", "", "duplicate", "phone"] == 1


def test_a_lead_from_before_the_log_is_counted_without_a_source(tally):
    tally.add(accepted(lead_id=uuid4()))
    tally.add(happened("message.received", lead_id=None, channel_kind="twilio_sms", is_stop=False))

    assert told(tally) == {("", "whatsapp_cloud", "accepted", ""): 1}


def test_figures_stand_on_the_day_of_the_capture(tally):
    tally.add(created())
    tally.add(happened("message.delivered", at=AT + timedelta(days=3), channel_kind="whatsapp_cloud"))

    assert {key.day for key in tally.counts} == {AT.date()}


def test_ids_of_leads_are_uuids(tally):
    tally.add(created())

    assert list(tally.facts) == [LEAD]
    assert isinstance(LEAD, UUID)
