import random
import statistics

import pytest

from sandbox.dials import Dials, digits
from sandbox.receipts import receipt_plan
from sandbox.rulebook import Rulebook


def test_latency_without_p95_is_exact():
    assert Dials(median_ms=150).latency_s(random.Random(1)) == 0.15


def test_latency_with_p95_has_the_dialled_median_and_p95():
    source = random.Random(1)
    drawn = sorted(Dials(median_ms=600, p95_ms=900).latency_s(source) for _ in range(20_000))

    assert statistics.median(drawn) == pytest.approx(0.6, rel=0.03)
    assert drawn[19_000] == pytest.approx(0.9, rel=0.03)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"median": 3}, "median"), ({"fault": "sulk"}, "fault"), ({"status_order": "up"}, "status_order")],
)
def test_a_wrong_dial_is_refused_by_name(changes, named):
    with pytest.raises(ValueError, match=named):
        Dials().turned(changes)


@pytest.mark.parametrize(
    ("fault", "processes", "expected"),
    [
        ("none", None, True),
        ("error", None, False),
        ("error", True, True),
        ("hang", None, False),
        ("hang", True, True),
        ("drop", None, True),
        ("reset", None, False),
    ],
)
def test_what_counts_as_processed(fault, processes, expected):
    assert Dials(processes=processes).processes_with(fault) is expected


def test_account_dials_lie_over_provider_dials_and_rules_over_both():
    rulebook = Rulebook()
    rulebook.set_defaults("whatsapp", "", {"median_ms": 100, "fault": "hang"})
    rulebook.set_defaults("whatsapp", "111", {"fault": "none"})
    rulebook.add({"provider": "whatsapp", "account": "111", "to": "+1 555 000 2222", "dials": {"failed_code": 131026}})

    dials = rulebook.dials_for("whatsapp", "111", "15550002222", "")
    assert (dials.median_ms, dials.fault, dials.failed_code) == (100, "none", 131026)
    assert rulebook.dials_for("whatsapp", "222", "15550002222", "").fault == "hang"
    assert rulebook.dials_for("twilio", "111", "15550002222", "") == Dials()


def test_the_newest_rule_counts_and_a_used_up_one_no_longer_does():
    rulebook = Rulebook()
    rulebook.add({"to_ends": "22", "dials": {"median_ms": 1}})
    rulebook.add({"to_ends": "222", "times": 1, "dials": {"median_ms": 2}})

    assert [rulebook.dials_for("twilio", "AC", "1222", "").median_ms for _ in range(2)] == [2, 1]


def test_rules_by_text_and_removal():
    rulebook = Rulebook()
    rule = rulebook.add({"provider": "openai", "contains": "Slow", "dials": {"median_ms": 9}})

    assert rulebook.dials_for("openai", "key", "", "Write to Slow Sam").median_ms == 9
    assert rulebook.remove(rule.id)
    assert not rulebook.remove(rule.id)
    assert rulebook.dials_for("openai", "key", "", "Write to Slow Sam").median_ms == 0


def test_clearing_one_account_leaves_the_others():
    rulebook = Rulebook()
    for account in ("111", "222"):
        rulebook.set_defaults("whatsapp", account, {"median_ms": 5})
        rulebook.add({"account": account, "dials": {"fault": "drop"}})

    rulebook.clear("111")

    assert rulebook.dials_for("whatsapp", "111", "1", "") == Dials()
    assert rulebook.dials_for("whatsapp", "222", "1", "").fault == "drop"


@pytest.mark.parametrize("rule", [{"number": "1"}, {"dials": {"x": 1}}, {"dials": []}])
def test_a_wrong_rule_is_refused(rule):
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        Rulebook().add(rule)


@pytest.mark.parametrize(
    ("dials", "plan"),
    [
        ({}, [(1.2, "sent"), (1.5, "delivered")]),
        ({"failed_code": 131026}, [(1.2, "failed")]),
        ({"status_before_answer": True}, [(0.0, "sent"), (0.3, "delivered")]),
        ({"status_order": "reversed", "status_gap_ms": 0}, [(1.2, "delivered"), (1.2, "sent")]),
        ({"statuses": ["read"], "status_copies": 2, "status_delay_ms": 0}, [(1.0, "read"), (1.0, "read")]),
        ({"statuses": []}, []),
    ],
)
def test_receipt_plan(dials, plan):
    made = receipt_plan(
        Dials().turned(dials),
        usual=("sent", "delivered"),
        failing=("failed",),
        answer_in_s=1.0,
        source=random.Random(1),
    )

    assert [(pytest.approx(at), status) for at, status in made] == plan


def test_digits():
    assert digits("whatsapp:+1 (555) 000-2222") == "15550002222"
