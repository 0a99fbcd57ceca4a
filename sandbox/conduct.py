"""How a request is answered: under its dials, late, wrong, or not at all; and what the ledger says of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.dials import Dials
from sandbox.ledger import Entry
from sandbox.wire import Exchange, Reply
from sandbox.world import World

GARBAGE = Reply(200, b"<html><body>Something went wrong</body></html>", content_type="text/html")
FLOOD_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Act:
    """What a provider would do with a request that is in order.

    accept: does it, told after how many seconds the caller hears of it, and gives the answer.
    refuse: the provider's own words for (code, HTTP status, Retry-After seconds), each None for its default.
    """

    accept: Callable[[float], Reply]
    refuse: Callable[[int | None, int | None, float | None], Reply]


def conduct(world: World, exchange: Exchange, entry: Entry, dials: Dials, act: Act) -> None:
    """The request is, now or later, answered as the dials say.

    A request is processed when it arrives, and answered after the latency: a caller that gives up in between
    has had it processed all the same, as with the real thing.
    """
    fault = dials.fault
    if fault != "none" and dials.fault_share < 1.0 and world.random.random() >= dials.fault_share:
        fault = "none"
    latency_s = dials.latency_s(world.random)
    exchange.on_client_left = lambda: _close_entry(entry, "client_left")
    reply = _processed(entry, act, latency_s) if dials.processes_with(fault) else None
    if fault == "error":
        refusal = act.refuse(dials.error_code, dials.error_status, dials.retry_after_s)
        world.loop.call_later(latency_s, _answer, exchange, entry, refusal)
    elif fault == "none" and reply is not None:
        if latency_s:
            world.loop.call_later(latency_s, _answer, exchange, entry, reply)
        else:
            _answer(exchange, entry, reply)
    else:
        _misbehave(world, exchange, entry, dials, fault, reply or Reply(200, b"{}"), latency_s)


def refuse_after_latency(world: World, exchange: Exchange, entry: Entry, dials: Dials, reply: Reply) -> None:
    """The provider finds the request itself wrong: not processed, answered after the usual time."""
    exchange.on_client_left = lambda: _close_entry(entry, "client_left")
    world.loop.call_later(dials.latency_s(world.random), _answer, exchange, entry, reply)


def _processed(entry: Entry, act: Act, latency_s: float) -> Reply:
    entry.processed_at = time.time()
    return act.accept(latency_s)


def _answer(exchange: Exchange, entry: Entry, reply: Reply) -> None:
    if exchange.answer(reply):
        entry.status = reply.status
        _close_entry(entry, "answered" if reply.status < 400 else "refused")


def _close_entry(entry: Entry, outcome: str) -> None:
    if outcome in ("answered", "refused"):
        entry.answered_at = time.time()
    if entry.outcome != "forgotten":
        entry.outcome = outcome


def _misbehave(
    world: World, exchange: Exchange, entry: Entry, dials: Dials, fault: str, reply: Reply, latency_s: float
) -> None:
    later = world.loop.call_later
    if fault == "hang":
        entry.outcome = "hung"
        exchange.on_client_left = None
        if dials.hang_s is not None:
            later(dials.hang_s, exchange.close)
    elif fault == "reset":
        entry.outcome = "reset"
        exchange.reset()
    elif fault in ("reset_after", "drop"):
        exchange.on_client_left = None
        later(latency_s, _break_off, exchange, entry, fault)
    elif fault.startswith("drip_"):
        entry.outcome = "dripping"
        later(latency_s, _drip, exchange, dials, fault == "drip_headers", reply)
    else:
        later(latency_s, _answer, exchange, entry, _spoiled(fault, reply))


def _break_off(exchange: Exchange, entry: Entry, fault: str) -> None:
    entry.outcome = "reset" if fault == "reset_after" else "dropped"
    if fault == "reset_after":
        exchange.reset()
    else:
        exchange.close()


def _drip(exchange: Exchange, dials: Dials, from_header: bool, reply: Reply) -> None:
    exchange.drip(
        reply, from_header=from_header, chunk_bytes=dials.drip_bytes, interval_s=dials.drip_interval_ms / 1000
    )


def _spoiled(fault: str, reply: Reply) -> Reply:
    if fault == "malformed":
        return Reply(200, reply.body[: max(1, len(reply.body) // 2)])
    if fault == "flood":
        return Reply(200, b'{"padding":"' + b"x" * FLOOD_BYTES + b'"}')
    return GARBAGE if fault == "garbage" else Reply(200, b"")
