"""Named places around a provider call at which tests kill the process. Nothing happens unless a test asks for it.

Enabled by SWIFTEX_CRASH_POINT, in development only: before_intent, after_intent, during_call, after_call,
after_commit_before_ack (delivery.md, "Exactly one WhatsApp message").
"""

import os
import signal
import threading

from django.conf import settings

_INTO_THE_CALL_S = 0.03


def reach(name: str) -> None:
    """The process is gone if this is the point it was told to die at."""
    if _is_wanted(name):
        _die()


def during(name: str) -> None:
    """The process dies shortly after now, while the caller waits for an answer."""
    if _is_wanted(name):
        threading.Timer(_INTO_THE_CALL_S, _die).start()


def _is_wanted(name: str) -> bool:
    return settings.SWIFTEX_ENV == "development" and os.environ.get("SWIFTEX_CRASH_POINT") == name


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
