import re

import phonenumbers
import pytest

from sandbox.demo.partner import Answer, field_at_fault, hidden_fields
from sandbox.demo.report import Report, padded
from sandbox.demo.samples import SAMPLES_FILE, Sample, read_samples
from sandbox.demo.verdict import Followed, copies_are_one, ends_of, ledger_breaches, percentile, sync_breaches


def samples(run=12345678):
    return read_samples(SAMPLES_FILE.read_text(), run=run)


def test_there_are_enough_samples_of_every_end():
    ends = {re.split(r"[: ]", sample.end)[0] for sample in samples()}

    assert len(samples()) >= 30
    assert ends == {"greeted", "suppressed", "duplicate", "refused", "same"}


def test_samples_come_from_several_countries():
    regions = set()
    for sample in samples():
        try:
            regions.add(phonenumbers.region_code_for_number(phonenumbers.parse(sample.phone, "IN")))
        except phonenumbers.NumberParseException:
            continue

    assert len(regions - {None}) >= 15


@pytest.mark.parametrize("run", [10_000_000, 12_345_678, 99_999_999])
def test_numbers_are_valid_and_belong_to_one_person_each(run):
    owners = {}
    for sample in samples(run):
        if not sample.phone or sample.end.startswith("refused: phone"):
            continue
        number = phonenumbers.parse(sample.phone, "IN")
        assert phonenumbers.is_valid_number(number), sample.key
        owners.setdefault((number.country_code, number.national_number), set()).add(sample.name.split()[-1])

    assert all(len(names) == 1 for names in owners.values())


def test_another_run_meets_other_people():
    phones = [{sample.phone for sample in samples(run) if sample.end == "greeted:whatsapp"} for run in (11111111, 2e7)]

    assert not phones[0] & phones[1]


@pytest.mark.parametrize(
    "text",
    [
        "- {key: a, shows: x, end: eaten}",
        "- {key: a, shows: x, end: greeted:sms, via: fax}",
        "- {key: a, shows: x, end: greeted:sms, colour: red}",
        "- {key: a, shows: x, end: greeted:sms}\n- {key: a, shows: x, end: greeted:sms}",
    ],
)
def test_a_wrong_sample_is_refused_by_name(text):
    with pytest.raises(ValueError, match="sample a"):
        read_samples(text, run=1)


def followed(
    *, status=202, lead=None, greeting=None, label="Greeting accepted by whatsapp, written by the model", **more
):
    sample = Sample(key="kim", shows="", end="greeted:whatsapp", lead={"name": "Kim"}, **more)
    answer = Answer(status, lead or {"id": "lead_1", "duplicate": False}, raw=b"{}")
    made = Followed(sample, answer)
    made.lead = {"phone": "+15550002222", "greeting": greeting or {"state": "pending"}}
    made.timeline = {"entries": [{"label": label}], "segments": [{"name": "committed", "ms": 4.0}]}
    return made


@pytest.mark.parametrize(
    ("each", "ends"),
    [
        (followed(greeting={"state": "greeted", "channel": "whatsapp"}), ["greeted:whatsapp"]),
        (
            followed(
                greeting={"state": "greeted", "channel": "sms"}, label="Greeting accepted by sms, fallback text (late)"
            ),
            ["greeted by fallback text", "greeted:sms"],
        ),
        (followed(greeting={"state": "suppressed", "reason": "opted_out"}), ["suppressed: opted out"]),
        (followed(greeting={"state": "failed", "reason": "131026"}), ["failed: 131026"]),
        (followed(), ["pending"]),
        (followed(status=200, lead={"id": "lead_9", "duplicate": True}), ["duplicate of ann"]),
        (followed(status=503), ["refused: 503"]),
    ],
)
def test_the_end_of_a_lead(each, ends):
    assert ends_of(each, {"lead_9": "ann"}) == ends


def test_a_repeat_is_the_same_answer_byte_for_byte():
    repeat = followed(repeats="ann")
    assert ends_of(repeat, {}) == ["another answer"]

    repeat.others = [Answer(202, {}, raw=b"{}")]
    assert ends_of(repeat, {}) == ["same answer as ann"]


def test_of_copies_one_is_captured_and_the_others_are_its_duplicates():
    each = followed(copies=2)
    each.others = [Answer(200, {"id": "lead_1", "duplicate": True})]
    assert copies_are_one(each)

    each.others = [Answer(202, {"id": "lead_2", "duplicate": False})]
    assert not copies_are_one(each)


@pytest.mark.parametrize(
    ("accepted", "greeting", "breach"),
    [
        ({"15550002222": {"whatsapp": {"count": 1}}}, {"state": "greeted", "channel": "whatsapp"}, None),
        ({"15550002222": {"whatsapp": {"count": 2}}}, {"state": "greeted", "channel": "whatsapp"}, "2 messages"),
        ({}, {"state": "greeted", "channel": "sms"}, "knows nothing"),
        ({"15550002222": {"twilio": {"count": 1}}}, {"state": "suppressed", "reason": "opted_out"}, "not greeted"),
    ],
)
def test_the_ledger_speaks_against_a_run(accepted, greeting, breach):
    breaches = ledger_breaches(accepted, [followed(greeting=greeting)])

    assert bool(breaches) is (breach is not None)
    assert breach is None or breach in breaches[0]


@pytest.mark.parametrize(
    ("posts", "breach"),
    [
        ([{"to": "lead_1", "signature_ok": True}], None),
        ([], "never synced"),
        ([{"to": "lead_1", "signature_ok": True}] * 2, "2 posts"),
        ([{"to": "lead_1", "signature_ok": False}], "wrong signature"),
    ],
)
def test_the_crm_speaks_against_a_run(posts, breach):
    breaches = sync_breaches(posts, [followed()])

    assert bool(breaches) is (breach is not None)
    assert breach is None or breach in breaches[0]


def test_percentiles_are_of_the_values_themselves():
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(list(range(1, 101)), 0.99) == 99


@pytest.mark.parametrize(
    ("text", "shown"), [("Kim", "Kim  "), ("陈伟", "陈伟 "), ("Zoe\u0308", "Zoe\u0308  "), ("Katharina", "Kath…")]
)
def test_padded_to_columns(text, shown):
    assert padded(text, 5) == shown


@pytest.mark.parametrize(("columns", "shown"), [(200, "why it is here"), (125, "capture"), (82, "total")])
def test_a_line_fits_the_terminal(columns, shown, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    each = followed(greeting={"state": "greeted", "channel": "whatsapp"})
    each.sample = Sample(key="kim", shows="why it is here", end="greeted:whatsapp", lead={"name": "فاطمة المنصوري"})

    report = Report()
    report.head(1)
    report.line(each, "greeted:whatsapp", is_expected=True)

    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert shown in "".join(lines)
    assert all(len(line.strip("\u2068\u2069")) <= columns + 2 for line in lines)


def test_what_a_browser_reads_from_a_form():
    page = '<form><input type="hidden" name="t" value="a&amp;b"><INPUT type="text" aria-invalid="true" name="phone">'

    assert hidden_fields(page) == {"t": "a&b"}
    assert field_at_fault(page) == "phone"
    assert field_at_fault("<form>") == ""
