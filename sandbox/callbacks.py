"""What the providers post to the product: over kept-alive connections, timed, counted, tried again as they would."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

CONNECTIONS_PER_HOST = 32
ANSWER_TIMEOUT_S = 15.0
KEPT_POSTS = 50_000
# WhatsApp redelivers for days with back-off (Meta's webhook reference, 2026-05); here it gives up after a minute.
WHATSAPP_RETRY_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0)
# Twilio tries again only when it could not connect (Twilio's webhook documentation, 2026).
TWILIO_RETRY_DELAYS_S = (1.0,)


@dataclass(slots=True)
class Post:
    """One callback and what became of it. Times in epoch seconds; status None while unanswered or not connected."""

    account: str
    kind: str
    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    message_id: str = ""
    retry_delays_s: tuple[float, ...] = ()
    retries_answers: bool = False  # also after a non-2xx answer, not only when no connection was made
    on_done: "Callable[[Post], None] | None" = None
    is_cancelled: bool = False
    tries: int = 0
    sent_at: float | None = None
    answered_at: float | None = None
    status: int | None = None
    answer: bytes = b""

    def as_json(self) -> dict[str, object]:
        """What a test asks for; bodies as text."""
        return {
            "account": self.account,
            "kind": self.kind,
            "url": self.url,
            "body": self.body.decode("utf-8", "replace"),
            "message_id": self.message_id,
            "tries": self.tries,
            "sent_at": self.sent_at,
            "answered_at": self.answered_at,
            "status": self.status,
            "answer": self.answer.decode("utf-8", "replace"),
        }


class Line(asyncio.Protocol):
    """One kept-alive connection to a host; carries one post at a time."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.transport: asyncio.Transport | None = None
        self.post: Post | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._keep_alive = True
        self._is_fresh = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def carry(self, post: Post) -> None:
        """The post is written; its answer, or the end of the line, settles it."""
        assert self.transport is not None
        self.post = post
        self._answer = []
        self._parser = httptools.HttpResponseParser(self)
        post.sent_at = time.time()
        post.answered_at = post.status = None
        post.tries += 1
        self._timer = self.host.loop.call_later(ANSWER_TIMEOUT_S, self.transport.abort)
        self.transport.write(self.host.head(post) + post.body)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            assert self.transport is not None
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._answer.append(body)

    def on_message_complete(self) -> None:
        post = self._put_down()
        if post is None:
            return
        self._is_fresh = False
        self._keep_alive = self._parser.should_keep_alive()
        post.answered_at = time.time()
        post.status = self._parser.get_status_code()
        post.answer = b"".join(self._answer)[:2000]
        self.host.settled(post)
        if self._keep_alive and self.transport is not None:
            self.host.line_free(self)
        elif self.transport is not None:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        post = self._put_down()
        self.transport = None
        self.host.line_gone(self)
        if post is not None:
            self.host.failed(post, line_was_reused=not self._is_fresh)

    def _put_down(self) -> Post | None:
        post, self.post = self.post, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return post


class Host:
    """The lines to one host and port, and what waits for a free one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, port: int) -> None:
        self.loop = loop
        self._name = name
        self._port = port
        self._free: list[Line] = []
        self._line_count = 0
        self._waiting: deque[Post] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    def send(self, post: Post) -> None:
        """The post leaves on a free line, a new one, or the next that becomes free."""
        while self._free:
            line = self._free.pop()
            if line.transport is not None and not line.transport.is_closing():
                line.carry(post)
                return
        self._waiting.append(post)
        if self._line_count < CONNECTIONS_PER_HOST:
            self._line_count += 1
            task = self.loop.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def head(self, post: Post) -> bytes:
        """Request line and headers of a post."""
        parts = urlsplit(post.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"POST {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Length: {len(post.body)}",
            *(f"{name}: {value}" for name, value in post.headers),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("latin-1")

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(5):
                _, line = await self.loop.create_connection(lambda: Line(self), self._name, self._port)
        except OSError:
            self._line_count -= 1
            waiting, self._waiting = self._waiting, deque()
            for post in waiting:
                post.tries += 1
                self.failed(post, line_was_reused=False)
            return
        self.line_free(line)

    def line_free(self, line: Line) -> None:
        if self._waiting:
            line.carry(self._waiting.popleft())
        else:
            self._free.append(line)

    def line_gone(self, line: Line) -> None:
        self._line_count -= 1
        if line in self._free:
            self._free.remove(line)
        if self._waiting and not self._line_count:
            self.send(self._waiting.popleft())

    def settled(self, post: Post) -> None:
        """Answered; a provider that retries answers does so on a non-2xx one."""
        if post.retries_answers and post.status is not None and not 200 <= post.status < 300 and self._again(post):
            return
        if post.on_done is not None:
            post.on_done(post)

    def failed(self, post: Post, *, line_was_reused: bool) -> None:
        """No answer. A kept-alive line that the server had closed meanwhile is no failure: straight onto another."""
        if line_was_reused and post.tries <= len(post.retry_delays_s) + 1:
            self.send(post)
        elif not self._again(post) and post.on_done is not None:
            post.on_done(post)

    def _again(self, post: Post) -> bool:
        if post.is_cancelled or post.tries > len(post.retry_delays_s):
            return False
        self.loop.call_later(post.retry_delays_s[post.tries - 1], self.send, post)
        return True


class Postman:
    """Posts callbacks and remembers them, the newest first to be asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._hosts: dict[tuple[str, int], Host] = {}
        self.posts: deque[Post] = deque(maxlen=KEPT_POSTS)

    def post(self, post: Post, *, delay_s: float = 0.0) -> None:
        """The callback leaves after `delay_s`; it is remembered from now on."""
        self.posts.append(post)
        if delay_s > 0:
            self._loop.call_later(delay_s, self._send, post)
        else:
            self._send(post)

    def clear(self, account: str | None = None) -> None:
        """Forget what was posted, for one account or for all; what has not left yet never will."""
        kept: list[Post] = []
        for post in self.posts:
            if account in (None, post.account):
                post.is_cancelled = True
            else:
                kept.append(post)
        self.posts = deque(kept, maxlen=KEPT_POSTS)

    def _send(self, post: Post) -> None:
        if post.is_cancelled:
            return
        parts = urlsplit(post.url)
        where = (parts.hostname or "127.0.0.1", parts.port or 80)
        host = self._hosts.get(where)
        if host is None:
            host = self._hosts[where] = Host(self._loop, *where)
        host.send(post)
