import pytest

from swiftex.runtime import procfile
from swiftex.runtime.problem import Problem
from swiftex.runtime.stack import ROOT


def test_names_and_commands_are_read_in_order():
    commands = procfile.parse("# comment\n\nweb: exec serve --port $PORT\n worker-a:  x: y  \n".replace("\n w", "\nw"))

    assert list(commands.items()) == [("web", "exec serve --port $PORT"), ("worker-a", "x: y")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("web serve", "line 1"),
        ("a: b\nweb:", "line 2"),
        ("a: b\na: c", "line 2 names a a second time"),
        (": b", "line 1"),
    ],
)
def test_a_wrong_line_is_named(text, line):
    with pytest.raises(Problem, match=line):
        procfile.parse(text)


def test_a_missing_file_is_said():
    with pytest.raises(Problem, match="No such file"):
        procfile.read(ROOT / "Procfile.none")


def test_usual_counts_are_those_of_the_design():
    counts = procfile.counts_of(procfile.read(ROOT / "Procfile"))

    assert counts == {
        "web": 1,
        "relay": 2,
        "worker-greeting": 2,
        "worker-reply": 1,
        "worker-background": 1,
        "beat": 1,
        "flower": 1,
    }


@pytest.mark.parametrize(
    ("only", "without", "counts"),
    [
        ([], ["flower"], {"relay": 2, "beat": 1}),
        (["relay"], [], {"relay": 2}),
        (["relay=1", "sandbox"], [], {"relay": 1, "sandbox": 1}),
        (["other"], [], {"other": 1}),
        (["relay", "beat"], ["beat"], {"relay": 2}),
    ],
)
def test_processes_can_be_chosen(only, without, counts):
    commands = dict.fromkeys(["relay", "beat", "flower", "sandbox", "other"], "true")
    if not only:
        del commands["other"]

    assert procfile.counts_of(commands, only=only, without=without) == counts


@pytest.mark.parametrize("only", [["nothing"], ["relay=x"], ["nothing=2"]])
def test_a_wrong_choice_is_refused(only):
    with pytest.raises(Problem):
        procfile.counts_of({"relay": "true"}, only=only)


def test_every_kind_that_is_declared_is_in_the_procfile():
    assert set(procfile.KINDS) == set(procfile.read(ROOT / "Procfile"))


def test_the_web_ends_before_the_workers_and_they_before_the_rest():
    phases = {name: kind.stop_phase for name, kind in procfile.KINDS.items()}

    assert phases["web"] < phases["relay"] == phases["worker-greeting"] < phases["beat"] == phases["sandbox"]
    assert procfile.KINDS["worker-background"].nice == 10
