"""The memory-mapped files behind the metrics: one set per process, added up by /metrics.

Counters and histograms of a dead process stay, for they count what has happened; its live gauges go.
"""

import os
import re
from pathlib import Path

_LIVE_GAUGE = re.compile(r"gauge_live[a-z]+_(\d+)\.db")


def start_afresh(folder: Path) -> None:
    """The folder exists and is empty; called once when the stack starts, before any process writes."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_dead(folder: Path) -> None:
    """Live gauges of processes that no longer run on this machine are gone from the folder."""
    for file in folder.glob("gauge_live*.db"):
        named = _LIVE_GAUGE.fullmatch(file.name)
        if named and not _runs(int(named[1])):
            file.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
