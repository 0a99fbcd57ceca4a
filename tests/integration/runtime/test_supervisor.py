import os
import signal
import sys
import time
from pathlib import Path

import pytest

from swiftex.runtime.supervisor import Spec, Supervisor

SLEEPER = "import time; time.sleep(60)"


@pytest.fixture
def lines():
    return []


@pytest.fixture
def supervisor(lines):
    running = Supervisor(say=lines.append, show=lambda name, line: lines.append(f"{name} | {line.decode().strip()}"))
    yield running
    running.hurry()
    running.stop_all()


def spec(name, code, **more):
    return Spec(
        name=name, command=(sys.executable, "-u", "-c", code), environment=dict(os.environ), folder=Path.cwd(), **more
    )


def until(is_true, within_s=10):
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_killed_process_is_started_again(supervisor, lines):
    supervisor.start(spec("sleeper", SLEEPER))
    first = supervisor.pids()["sleeper"]

    supervisor.send("sleeper", signal.SIGKILL)

    until(lambda: supervisor.pids().get("sleeper", first) != first)
    assert lines == ["sleeper was ended by SIGKILL; starting it again in 0.25 s"]


def test_a_process_that_keeps_dying_is_started_less_and_less_often(supervisor, lines):
    supervisor.start(spec("dying", "raise SystemExit(3)"))

    until(lambda: len(lines) == 3)
    assert lines == [f"dying ended with status 3; starting it again in {delay} s" for delay in ("0.25", "0.5", "1")]
    assert supervisor.failure_count("dying") == 3


def test_a_killed_process_stays_dead_when_asked_to(supervisor):
    supervisor.start(spec("sleeper", SLEEPER))

    supervisor.send("sleeper", signal.SIGKILL, starts_again=False)
    until(lambda: not supervisor.pids())
    time.sleep(0.5)

    assert not supervisor.pids()
    supervisor.resume("sleeper")
    assert supervisor.pids()


def test_what_a_dead_process_left_in_its_group_is_killed(supervisor, tmp_path):
    note = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    supervisor.start(spec("parent", code))
    until(lambda: note.exists() and note.read_text())

    supervisor.send("parent", signal.SIGKILL, starts_again=False)

    until(lambda: not _runs(int(note.read_text())))


def test_phases_end_one_after_the_other(supervisor, tmp_path):
    note = tmp_path / "order"

    def code(name):
        return (
            "import signal, sys, time\n"
            "def end(*_):\n"
            "    time.sleep(0.2)\n"
            f"    open({str(note)!r}, 'a').write({name!r} + ' ')\n"
            "    sys.exit()\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('up')\n"
            "time.sleep(60)"
        )

    logs = [tmp_path / name for name in ("web", "worker", "redis")]
    supervisor.start(*(spec(log.name, code(log.name), stop_phase=phase, log=log) for phase, log in enumerate(logs)))
    until(lambda: all(log.exists() and "up" in log.read_text() for log in logs))

    supervisor.stop_all()

    assert note.read_text() == "web worker redis "
    assert not supervisor.pids()


def test_a_stuck_process_is_killed_after_its_grace(supervisor, lines):
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
    supervisor.start(spec("stuck", code, grace_s=0.3))
    until(lambda: "stuck | up" in lines)

    supervisor.stop_all()

    assert lines[-1] == "stuck did not end in time; killing it"
    assert not supervisor.pids()


def test_nice_level_and_environment_reach_the_process(supervisor, lines):
    started = spec("worker.1", "import os; print(os.nice(0), os.environ['SWIFTEX_ROLE'])", nice=7)
    started.environment["SWIFTEX_ROLE"] = "worker"
    before = os.nice(0)

    supervisor.start(started)

    until(lambda: f"worker.1 | {before + 7} worker" in lines)


def test_a_missing_program_is_said(supervisor, lines):
    supervisor.start(
        Spec(name="web", command=("swiftex-no-such",), environment=dict(os.environ), folder=Path.cwd(), grace_s=1)
    )

    until(lambda: "web | swiftex-no-such: No such file or directory" in lines)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
