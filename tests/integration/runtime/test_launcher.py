"""The command line `python -m swiftex.runtime`, as the Makefile calls it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import psycopg
import pytest
from redis import Redis

from swiftex.runtime import leftovers
from swiftex.runtime.stack import ROOT

SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def launch(folder, tmp_path):
    """Starts the launcher with arguments; it is gone at the end of the test, with all it started."""
    launched = []

    unwanted = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SWIFTEX_ENV", "SWIFTEX_ROLE", "PORT"}

    def start(*arguments, **variables):
        environment = {name: text for name, text in os.environ.items() if name not in unwanted}
        process = subprocess.Popen(
            [sys.executable, "-m", "swiftex.runtime", *arguments],
            cwd=ROOT,
            env={**environment, "SWIFTEX_DATA_DIR": str(folder), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        launched.append(process)
        return process

    yield start
    for process in launched:
        process.kill()
        process.communicate()
    leftovers.end_all(f"{leftovers.STACK}={folder}")


@pytest.fixture
def procfile(tmp_path):
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    path = tmp_path / "Procfile"
    path.write_text(f"web: exec {sys.executable} {server}\nrelay: exec sleep 60\n")
    return str(path)


def wait_for_line(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} was not said, but: {''.join(lines)} {process.stderr.read()}")


def urls(folder):
    return json.loads((folder / "services.json").read_text())


def started_by(folder):
    return leftovers.pids_of(f"{leftovers.STACK}={folder}")


def test_services_keep_their_data_and_ports_over_a_restart(launch, folder):
    first = launch("services")
    wait_for_line(first, "PostgreSQL and Redis run")
    before = urls(folder)
    with psycopg.connect(before["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        settings = [
            connection.execute(f"SHOW {name}").fetchone()[0]
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        ]
    Redis.from_url(before["REDIS_URL"]).set("kept", "7")

    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    assert started_by(folder) == []
    second = launch("services")
    wait_for_line(second, "PostgreSQL and Redis run")

    assert settings == ["on", "on", "on"]
    assert urls(folder) == before
    with psycopg.connect(before["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    redis = Redis.from_url(before["REDIS_URL"])
    assert redis.get("kept") == b"7"
    assert redis.config_get("maxmemory-policy", "appendonly", "appendfsync") == {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
    }


def test_nobody_gets_in_without_the_password(launch, folder):
    wait_for_line(launch("services"), "PostgreSQL and Redis run")
    password = (folder / "password").read_text()

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(urls(folder)["DATABASE_URL"].replace(password, "x"))

    assert (folder / "services.json").stat().st_mode & 0o077 == 0


def test_nothing_is_left_when_the_launcher_is_killed(launch, folder, procfile):
    first = launch("--procfile", procfile, "run", PORT=_free())
    wait_for_line(first, "ready after")
    assert len(started_by(folder)) >= 4

    first.kill()

    _until(lambda: started_by(folder) == [], within_s=10)
    second = launch("services")
    wait_for_line(second, "PostgreSQL and Redis run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_cleanly(launch, folder, procfile, number):
    process = launch("--procfile", procfile, "run", PORT=_free())
    wait_for_line(process, "ready after")

    process.send_signal(number)
    _, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, "")
    assert started_by(folder) == []
    assert "database system is shut down" in (folder / "logs" / "postgres.log").read_text()


def test_a_command_runs_with_services_and_its_status_is_the_launchers(launch, folder):
    code = (
        "import os, sys, psycopg, redis; psycopg.connect(os.environ['DATABASE_URL']); "
        "redis.Redis.from_url(os.environ['REDIS_URL']).ping(); sys.exit(5)"
    )

    process = launch("with-services", "--", sys.executable, "-c", code)
    output = process.communicate(timeout=60)

    assert (process.returncode, *output) == (5, "", "")
    assert started_by(folder) == []


def test_a_command_that_was_interrupted_did_not_succeed(launch, folder):
    process = launch(
        "with-services", "--", sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"
    )
    wait_for_line(process, "up")

    process.terminate()

    assert process.wait(30) == 128 + signal.SIGTERM
    assert started_by(folder) == []


def test_a_taken_port_is_one_line_with_its_remedy(launch, folder, procfile):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        process = launch("--procfile", procfile, "run", PORT=str(port))
        output, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert output == ""
    remedy = f"stop what listens there or choose another, for example PORT={port + 1}"
    assert errors == f"swiftex: port {port} is already in use; {remedy}\n"
    assert started_by(folder) == []


def test_a_missing_tool_is_one_line_with_its_remedy(launch, tmp_path):
    path = tmp_path / "Procfile"
    path.write_text("web: exec swiftex-no-such --port $PORT\n")

    process = launch("--procfile", str(path), "run", PORT=_free())
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors == "swiftex: swiftex-no-such, which the process web needs, is not installed; run `make setup`\n"


def test_two_launchers_do_not_share_a_folder(launch, folder):
    first = launch("services")
    wait_for_line(first, "PostgreSQL and Redis run")

    second = launch("services")
    _, errors = second.communicate(timeout=60)

    assert second.returncode == 1
    assert errors.startswith(f"swiftex: another launcher uses {folder} (process {first.pid}); end it with `make stop`")
    assert first.poll() is None


def test_stop_ends_the_launcher(launch, folder):
    first = launch("services")
    wait_for_line(first, "PostgreSQL and Redis run")

    second = launch("stop")

    assert second.wait(30) == 0
    assert first.wait(5) == 0
    assert started_by(folder) == []


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"SWIFTEX_ENV": "prod"}, "SWIFTEX_ENV must be one of development, production, not 'prod'"),
        ({"PORT": "99999"}, "PORT must be between 1 and 65535, not 99999"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must begin with postgresql:// or postgres://"),
        (
            {"DATABASE_URL": "postgresql://x"},
            "DATABASE_URL must name a database, as postgresql://user:password@host:5432/name",
        ),
        (
            {"DATABASE_URL": "postgresql://x:five/y"},
            "DATABASE_URL must be a URL, as postgresql://user:password@host:5432/name",
        ),
        ({"REDIS_URL": "http://x"}, "REDIS_URL must begin with redis:// or rediss://"),
        (
            {"REDIS_URL": "redis://x/y"},
            "REDIS_URL must end in the number of a database, as redis://host:6379/0",
        ),
        (
            {"CELERY_BROKER_URL": "x"},
            "CELERY_BROKER_URL must begin with redis:// or rediss:// or amqp:// or amqps://",
        ),
        (
            {"SWIFTEX_ENV": "production", "SECRET_KEY": "x" * 50, "ALLOWED_HOSTS": "a.example"},
            "DATABASE_URL must be set in production",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(launch, variables, complaint):
    process = launch("run", **variables)
    _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (1, f"swiftex: {complaint}\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_postgres_as_nobody_where_user_namespaces_are_forbidden(launch, folder):
    # No PATH, no `unshare`: as where it is forbidden.
    process = launch("services", PATH="/nonexistent")
    wait_for_line(process, "PostgreSQL and Redis run")

    with psycopg.connect(urls(folder)["DATABASE_URL"]) as connection:
        data = connection.execute("SHOW data_directory").fetchone()[0]

    assert os.stat(data).st_uid == 65534
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    _remove_shelter(data, folder)


def _remove_shelter(data, folder):
    import shutil

    if not data.startswith(str(folder)):
        shutil.rmtree(os.path.dirname(data))


def _free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _until(is_true, within_s):
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
