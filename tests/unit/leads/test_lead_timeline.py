from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from leads.timeline import fold

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(ms: float) -> datetime:
    return START + timedelta(milliseconds=ms)


@dataclass
class Fact:
    type: str
    data: dict = field(default_factory=dict)
    occurred_at: datetime = START
    recorded_at: datetime = START


def created() -> Fact:
    return Fact("lead.created", {"received_at": at(0).isoformat(), "source": "website"}, at(8), at(8))


def accepted(**data) -> Fact:
    moments = {
        "dispatched_at": at(20).isoformat(), "started_at": at(35).isoformat(), "model_answered_at": at(640).isoformat(),
        "accepted_at": at(800).isoformat(),
    }  # fmt: skip
    return Fact(
        "message.accepted",
        {"message_id": "m", "obligation": "greeting", "channel": "wa-main", "text_source": "model"} | moments | data,
        at(801),
    )


def report(kind: str, ms: float, message_id: str = "m") -> Fact:
    return Fact(f"message.{kind}", {"message_id": message_id, "at": at(ms).isoformat(), "channel": "wa-main"}, at(ms))


def test_no_facts_make_an_empty_timeline() -> None:
    assert fold([]).is_empty
    assert fold([]).first_response_ms is None


def test_the_nine_moments_and_the_slowest_part() -> None:
    answered = Fact("message.received", {"received_at": at(9000).isoformat(), "channel": "wa-main"}, at(9001))

    timeline = fold([answered, report("read", 3000), report("delivered", 1500), accepted(), created()])

    assert [(moment.name, moment.ms) for moment in timeline.moments] == [
        ("received", 0), ("committed", 8), ("dispatched", 20), ("started", 35), ("model answered", 640),
        ("channel accepted", 800), ("delivered", 1500), ("read", 3000), ("replied", 9000),
    ]  # fmt: skip
    assert [(part.label, part.start_ms, part.ms) for part in timeline.segments] == [
        ("capture", 0, 8), ("relay", 8, 12), ("queue", 20, 15), ("language model", 35, 605), ("channel", 640, 160),
    ]  # fmt: skip
    assert timeline.slowest.label == "language model"
    assert timeline.first_response_ms == 800
    assert timeline.entries[0].label == "Captured from website"
    assert timeline.entries[1].label == "Greeting accepted by wa-main, written by the model"


def test_a_model_that_did_not_answer_is_named_with_the_channel() -> None:
    timeline = fold([created(), accepted(model_answered_at=None, text_source="fallback", text_reason="late")])

    assert timeline.segments[-1].label == "wait for the model, then channel"
    assert timeline.entries[1].label.endswith("fallback text (late)")


def test_only_the_greeting_counts_and_its_first_acceptance() -> None:
    later = accepted(message_id="n", obligation="follow_up", accepted_at=at(90_000).isoformat())
    by_sms = accepted(message_id="s", accepted_at=at(20_000).isoformat(), channel="sms-main")

    timeline = fold([created(), later, accepted(), by_sms, report("delivered", 95_000, "n")])

    assert timeline.first_response_ms == 800
    assert "delivered" not in {moment.name for moment in timeline.moments}


def test_every_kind_of_fact_reads_well_without_its_details() -> None:
    kinds = ["lead.resubmitted", "lead.assigned", "lead.synced", "message.failed", "message.suppressed",
             "message.unresolved", "contact.opted_out", "something.new"]  # fmt: skip

    labels = [entry.label for entry in fold([Fact(kind) for kind in kinds]).entries]

    assert labels[2] == "Synced to -"
    assert labels[-1] == "Something.new"
    assert all("{" not in label for label in labels)


def test_a_greeting_asked_for_anew_is_measured_from_there() -> None:
    day = 86_400_000
    again = Fact(
        "lead.resubmitted", {"received_at": at(day).isoformat(), "source": "website"}, at(day + 6), at(day + 6)
    )
    late = accepted(
        received_at=at(day).isoformat(), dispatched_at=at(day + 20).isoformat(), started_at=at(day + 30).isoformat(),
        model_answered_at=at(day + 600).isoformat(), accepted_at=at(day + 700).isoformat(),
    )  # fmt: skip

    timeline = fold([created(), again, late])

    assert timeline.first_response_ms == 700
    assert [part.ms for part in timeline.segments] == [6, 14, 10, 570, 100]
