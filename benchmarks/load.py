"""Open-loop load: every request has its scheduled time, and is sent then, however slow the answers are."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson
import uvloop


@dataclass(frozen=True)
class Planned:
    """One request.  at_s: seconds after the start of the load."""

    at_s: float
    path: str
    body: bytes
    headers: dict[str, str]
    label: str


@dataclass
class Sent:
    """What became of it; times are epoch seconds.  status 0: no answer."""

    planned: Planned
    scheduled_at: float
    answered_at: float = 0.0
    status: int = 0
    body: bytes = b""

    @property
    def seconds(self) -> float:
        """From the scheduled time to the answer; infinite without one."""
        return self.answered_at - self.scheduled_at if self.status else float("inf")


def evenly(count: int, *, seconds: float, start_s: float = 0.0) -> list[float]:
    """Times spread evenly."""
    return [start_s + index * seconds / count for index in range(count)]


def json_body(value: object) -> bytes:
    """The bytes of a JSON body."""
    return orjson.dumps(value)


def run(base_url: str, planned: Sequence[Planned], *, connections: int = 64) -> list[Sent]:
    """Every request was sent at its time and answered or given up after 2 minutes."""
    return uvloop.run(_run(base_url, sorted(planned, key=lambda one: one.at_s), connections))


async def _run(base_url: str, planned: Sequence[Planned], connections: int) -> list[Sent]:
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(base_url, connector=connector, timeout=timeout) as session:
        start = time.time() + 0.2
        sent = [Sent(planned=one, scheduled_at=start + one.at_s) for one in planned]
        tasks = []
        for one in sent:
            wait_s = one.scheduled_at - time.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            tasks.append(asyncio.create_task(_send(session, one)))
        await asyncio.gather(*tasks)
    return sent


async def _send(session: aiohttp.ClientSession, one: Sent) -> None:
    try:
        async with session.post(one.planned.path, data=one.planned.body, headers=one.planned.headers) as answer:
            one.body = await answer.read()
            one.status = answer.status
    except (aiohttp.ClientError, TimeoutError):
        one.status = 0
    one.answered_at = time.time()
