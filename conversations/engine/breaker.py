"""When a model that keeps failing is left alone, and when it is tried again. Pure: the clock comes in."""

import threading
from dataclasses import dataclass, field

STRIKES_TO_OPEN = 20
# A late answer says little (a slow model still answers some in time), a refused call much, a wrong key everything.
LATE_STRIKES = 1
FAILED_STRIKES = 4
HOPELESS_STRIKES = STRIKES_TO_OPEN
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Breaker:
    """Closed: every call is allowed. Open: none until the pause ends; then one probe at a time decides.

    Strikes are counted since the last answer that came in time. Each failed probe doubles the pause, up to 30 s.
    Times are monotonic seconds. Safe to share between threads.
    """

    strikes: int = 0
    pause_s: float = FIRST_PAUSE_S
    retry_at_s: float = 0.0
    is_open: bool = False
    probe_until_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def allow(self, *, now_s: float, probe_s: float = 5.0) -> bool:
        """True when a call may be made now. While open, True for one probe; it is held for at most probe_s."""
        if not self.is_open:
            return True
        with self._lock:
            if now_s < self.retry_at_s or now_s < self.probe_until_s:
                return False
            self.probe_until_s = now_s + probe_s
            return True

    def succeeded(self) -> None:
        """The model answered in time: closed, nothing held against it."""
        if self.strikes or self.is_open:
            with self._lock:
                self.strikes, self.is_open = 0, False
                self.pause_s, self.probe_until_s = FIRST_PAUSE_S, 0.0

    def failed(self, *, strikes: int, now_s: float, retry_after_s: float | None = None) -> None:
        """One more failure; opens at 20 strikes, for the longer of the pause and the model's own wish."""
        with self._lock:
            self.strikes += strikes
            if self.is_open:
                if not self.probe_until_s:
                    return  # a straggler from before the opening says nothing new
                self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)
            elif self.strikes < STRIKES_TO_OPEN:
                return
            self.is_open, self.probe_until_s = True, 0.0
            self.retry_at_s = now_s + max(self.pause_s, min(retry_after_s or 0.0, LONGEST_PAUSE_S))
