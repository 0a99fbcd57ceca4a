import os
import subprocess
import sys

from swiftex.observability import metric_files

WRITER = """
import sys
from swiftex.observability import metrics
metrics.event_received(source="api", count=3)
metrics.queue_wait(queue="greeting", seconds=0.2)
metrics.queue_state(queue="greeting", depth=7, age_s=1.5)
metrics.relay_running(True)
if sys.argv[1] == "stay":
    print("written", flush=True)
    sys.stdin.read()
"""
READER = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def _run(folder, code, *arguments, **options):
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, check=True, text=True, capture_output=True, **options
    ).stdout


def test_what_dead_and_living_processes_counted_is_added_up_and_gauges_of_the_dead_are_gone(tmp_path):
    _run(tmp_path, WRITER, "go")
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, "stay"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as living:
        assert living.stdout.readline() == "written\n"
        metric_files.forget_dead(tmp_path)
        text = _run(tmp_path, READER)
        living.communicate("")

    assert 'swiftex_events_received_total{source="api"} 6.0' in text
    assert 'swiftex_queue_wait_seconds_count{queue="greeting"} 2.0' in text
    assert 'swiftex_queue_depth{queue="greeting"} 7.0' in text
    assert "swiftex_relays 1.0" in text

    metric_files.forget_dead(tmp_path)
    assert "swiftex_relays 1.0" not in _run(tmp_path, READER)


def test_a_new_start_begins_with_an_empty_folder(tmp_path):
    folder = tmp_path / "metrics"
    metric_files.start_afresh(folder)
    (folder / "counter_1.db").write_bytes(b"old")

    metric_files.start_afresh(folder)

    assert list(folder.iterdir()) == []
