"""How Flower shows the workers; the launcher tells it address, port and login (docs/how-to/monitor.md)."""

from typing import Any

tasks_columns = "name,state,args,received,started,runtime,worker"
max_tasks = 5_000
max_workers = 100
purge_offline_workers = 60
natural_time = False


def format_task(task: Any) -> Any:
    """A task with its job's and organization's ids as arguments, which is all that a message carries."""
    task.kwargs = ""
    return task
