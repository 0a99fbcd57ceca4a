"""Which provider a request is for, by the first part of its path; and the server around it."""

import asyncio
import logging
from collections.abc import Callable

from sandbox import control
from sandbox.providers import anthropic, crm, openai, twilio, whatsapp
from sandbox.wire import Connection, Exchange, Reply
from sandbox.world import World

logger = logging.getLogger("sandbox")


def serve(world: World, exchange: Exchange) -> None:
    """The provider's own stand-in takes the request; a fault of ours is a 500 and a traceback, not a closed line."""
    handler = _PROVIDERS.get(exchange.path.split("/", 2)[1] if "/" in exchange.path else "", _not_found)
    try:
        handler(world, exchange)
    except Exception:
        logger.exception("the sandbox itself failed")
        exchange.answer(Reply(500, b'{"error":"the sandbox itself failed"}'))


def _not_found(world: World, exchange: Exchange) -> None:
    exchange.answer(Reply(404, b'{"error":"no provider under this path"}'))


def _openai(world: World, exchange: Exchange) -> None:
    if exchange.method == "POST" and exchange.path.endswith("/chat/completions"):
        openai.chat_completions(world, exchange)
    elif exchange.method == "GET" and exchange.path.endswith("/models"):
        exchange.answer(Reply(200, b'{"object":"list","data":[{"id":"sandbox","object":"model"}]}'))
    else:
        exchange.answer(openai.error_reply(None, 404, None))


def _anthropic(world: World, exchange: Exchange) -> None:
    if exchange.method == "POST" and exchange.path.endswith("/messages"):
        anthropic.messages(world, exchange)
    else:
        exchange.answer(anthropic.error_reply(None, 404, None))


_PROVIDERS: dict[str, Callable[[World, Exchange], None]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "whatsapp": whatsapp.serve,
    "twilio": twilio.serve,
    "crm": lambda world, exchange: crm.receive(world, exchange, "crm"),
    "hooks": lambda world, exchange: crm.receive(world, exchange, "hooks"),
    "_control": control.serve,
}


async def start(*, port: int, host: str = "127.0.0.1", seed: int = 1) -> tuple[asyncio.Server, World]:
    """A listening server and its world. Raises OSError if the port is taken; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    world = World(loop, seed=seed)
    server = await loop.create_server(
        lambda: Connection(lambda exchange: serve(world, exchange), loop), host, port, backlog=2048
    )
    return server, world
