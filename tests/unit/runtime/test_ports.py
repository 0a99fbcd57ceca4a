import json
import socket
import stat
import subprocess
import sys

import pytest

from swiftex.runtime import ports
from swiftex.runtime.problem import Problem


@pytest.fixture(autouse=True)
def _released(tmp_path):
    yield
    for owner in ("test", "other", str(tmp_path)):
        ports.release(owner)


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free(taken_port):
    assert not ports.is_free(taken_port)


def test_a_free_port_is_below_those_of_outgoing_connections():
    assert ports.LOWEST <= ports.free_port("test") <= ports.HIGHEST


def test_a_port_is_remembered(tmp_path):
    port = ports.remembered_port(tmp_path, "postgres")

    assert ports.remembered_port(tmp_path, "postgres") == port
    assert ports.remembered_port(tmp_path, "redis") != port
    assert json.loads((tmp_path / "ports.json").read_text())["postgres"] == port


def test_a_claimed_port_is_nobody_elses_until_it_is_released():
    port = ports.free_port("test")

    assert ports.is_free(port)
    assert ports.claim(port, "test")
    assert not ports.claim(port, "other")
    assert _claim_in_another_process(port) == "False"
    ports.release("test")
    assert _claim_in_another_process(port) == "True"
    assert ports.claim(port, "other")


def test_a_remembered_port_that_was_taken_is_chosen_again(tmp_path, taken_port):
    (tmp_path / "ports.json").write_text(json.dumps({"postgres": taken_port, "redis": 16000}))

    port = ports.remembered_port(tmp_path, "postgres")

    assert port != taken_port
    assert json.loads((tmp_path / "ports.json").read_text()) == {"postgres": port, "redis": 16000}


def test_a_preferred_port_that_is_taken_is_not_used(tmp_path, taken_port):
    assert ports.remembered_port(tmp_path, "flower", taken_port) != taken_port


def test_a_wanted_port_that_is_taken_is_refused_with_the_remedy(taken_port):
    with pytest.raises(Problem, match=f"port {taken_port} is already in use; .* PORT={taken_port + 1}"):
        ports.require_free(taken_port, "test", variable="PORT")


def test_a_file_is_replaced_whole_and_private(tmp_path):
    path = tmp_path / "services.json"
    path.write_text("old")

    ports.replace_text(path, "new")

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def _claim_in_another_process(port):
    code = f"from swiftex.runtime import ports; print(ports.claim({port}, 'test'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
