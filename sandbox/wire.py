"""HTTP/1.1 as bytes: a lean server on httptools, and the means to misbehave on it.

No task, no coroutine and no framework per request: the sandbox shares its cores with the load it stands in for
(docs/adr/0041-sandbox-server.md has the figures).
"""

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl

import httptools

MAX_BODY_BYTES = 64 * 1024 * 1024
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
_LINGER_ZERO = struct.pack("ii", 1, 0)

Handler = Callable[["Exchange"], None]


class Reply:
    """An HTTP answer: status, body and extra headers."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers

    def head(self) -> bytes:
        """The status line and headers, with the blank line that ends them."""
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("latin-1")


class Exchange:
    """One request and the means to answer it, once: well, slowly, or not at all.

    `path` is without the query; header names are lower case; `arrived_at` is in epoch seconds.
    `on_client_left` runs when the client goes away before the answer.
    """

    __slots__ = ("_connection", "arrived_at", "body", "headers", "is_over", "method", "on_client_left", "path", "query")

    def __init__(
        self, connection: "Connection", method: str, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        path, _, query = target.partition("?")
        self._connection = connection
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.arrived_at = time.time()
        self.is_over = False
        self.on_client_left: Callable[[], None] | None = None

    def parameters(self) -> dict[str, str]:
        """The query's parameters, blank ones included; of a repeated name the last counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def answer(self, reply: Reply) -> bool:
        """True once the reply is with the operating system; False when the client has left."""
        if self.is_over:
            return False
        self.is_over = True
        self._connection.write(reply.head() + reply.body)
        self._connection.next_exchange()
        return True

    def drip(self, reply: Reply, *, from_header: bool, chunk_bytes: int, interval_s: float) -> None:
        """The reply goes out `chunk_bytes` at a time; with `from_header` even its status line does."""
        head = reply.head()
        if not from_header:
            self._connection.write(head)
        self._drip_on((head if from_header else b"") + reply.body, chunk_bytes, interval_s)

    def _drip_on(self, rest: bytes, chunk_bytes: int, interval_s: float) -> None:
        if self.is_over:
            return
        self._connection.write(rest[:chunk_bytes])
        rest = rest[chunk_bytes:]
        if rest:
            self._connection.loop.call_later(interval_s, self._drip_on, rest, chunk_bytes, interval_s)
            return
        self.is_over = True
        self._connection.next_exchange()

    def close(self) -> None:
        """The connection ends in an orderly way, without an answer."""
        self.is_over = True
        self._connection.close()

    def reset(self) -> None:
        """The connection ends with a TCP reset, without an answer."""
        self.is_over = True
        self._connection.reset()

    def left(self) -> None:
        """Told by the connection: the client went away before the answer."""
        if not self.is_over:
            self.is_over = True
            if self.on_client_left is not None:
                self.on_client_left()


class Connection(asyncio.Protocol):
    """One client connection: parses requests and hands them over one after the other."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._handler = handler
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._target = ""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._keep_alive = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        if self._current is not None:
            self._current.left()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.write(Reply(400, b'{"error":"not HTTP"}').head() + b'{"error":"not HTTP"}')
            self.close()

    # What httptools calls while it parses.
    def on_message_begin(self) -> None:
        self._target = ""
        self._headers = {}
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self.close()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._keep_alive = self._parser.should_keep_alive()
        method = self._parser.get_method().decode("latin-1")
        exchange = Exchange(self, method, self._target, self._headers, b"".join(self._body))
        if self._current is None:
            self._start(exchange)
        else:
            self._waiting.append(exchange)

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        self._handler(exchange)

    def next_exchange(self) -> None:
        """The current exchange is over; the one behind it, if any, starts."""
        self._current = None
        if not self._keep_alive and not self._waiting:
            self.close()
        elif self._waiting:
            self._start(self._waiting.popleft())

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        if self._transport is None:
            return
        raw_socket = self._transport.get_extra_info("socket")
        if raw_socket is not None:
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()
