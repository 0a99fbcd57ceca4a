"""Everything a running sandbox knows, in one process's memory."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Callable

from sandbox.callbacks import Postman
from sandbox.dials import Dials
from sandbox.ledger import Entry, Ledger
from sandbox.rulebook import Rulebook
from sandbox.senders import Sender


class Limits:
    """Token buckets by key, filled by the clock."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], tuple[float, float]] = {}

    def wait_s(self, key: tuple[str, ...], *, rate_per_s: float, burst: float) -> float:
        """0.0 and one token less; or the seconds until one is free, and nothing taken."""
        now = time.monotonic()
        tokens, filled_at = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - filled_at) * rate_per_s)
        if tokens < 1.0:
            self._buckets[key] = (tokens, now)
            return (1.0 - tokens) / rate_per_s
        self._buckets[key] = (tokens - 1.0, now)
        return 0.0

    def clear(self) -> None:
        """All buckets are full again."""
        self._buckets.clear()


class World:
    """Rules, senders, ledger and postman; `seed` fixes latencies, faults by share, and texts."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, seed: int = 1) -> None:
        self.loop = loop
        self.started_at = time.time()
        self.rulebook = Rulebook()
        self.ledger = Ledger()
        self.limits = Limits()
        self.postman = Postman(loop)
        self.senders: dict[tuple[str, str], Sender] = {}
        self.twilio_messages: dict[str, dict[str, object]] = {}
        self.random = random.Random(seed)
        self.seed = seed
        # Ids must not repeat after a restart: the product's database remembers them.
        self._run = os.urandom(6).hex().upper()
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """22 upper-case hexadecimal digits, never the same twice, not even in another run."""
        return f"{self._run}{next(self._numbers):010X}"

    def later(self, delay_s: float, entry: Entry, action: Callable[[], None]) -> None:
        """The action happens after the delay, unless the request that causes it was forgotten by a reset."""
        self.loop.call_later(delay_s, lambda: None if entry.outcome == "forgotten" else action())

    def is_over_rate(self, provider: str, account: str, dials: Dials) -> bool:
        """True if the account's dialled rate is used up; otherwise one request of it is."""
        if dials.rate_per_s is None:
            return False
        burst = dials.rate_burst or max(1.0, dials.rate_per_s)
        return self.limits.wait_s((provider, account), rate_per_s=dials.rate_per_s, burst=burst) > 0.0

    def sender(self, provider: str, account: str) -> Sender | None:
        """What was registered for the account, if anything."""
        return self.senders.get((provider, account))

    def reset(self, *, account: str | None = None) -> None:
        """As freshly started; with `account`, only what belongs to it is forgotten."""
        self.rulebook.clear(account)
        self.ledger.clear(account)
        self.postman.clear(account)
        if account is None:
            self.senders.clear()
            self.twilio_messages.clear()
            self.limits.clear()
            self.random.seed(self.seed)
        else:
            for key in [key for key in self.senders if key[1] == account]:
                del self.senders[key]
