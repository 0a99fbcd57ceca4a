"""Bodies that come in chunks, without a length: Django would not read a byte of them."""

import io
from collections.abc import Callable, Iterable
from typing import IO, Any

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]
_AT_ONCE = 65_536


class ChunkedBodies:
    """A WSGI application that gets every body with its length.

    most_bytes: more is not read; the application sees one byte more than that, and refuses it by its own limits.
    """

    def __init__(self, application: Application, *, most_bytes: int) -> None:
        self._application, self._most_bytes = application, most_bytes

    def __call__(self, environ: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The application's answer."""
        if not environ.get("CONTENT_LENGTH") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            body = _read(environ["wsgi.input"], self._most_bytes + 1)
            environ["CONTENT_LENGTH"] = str(len(body))
            environ["wsgi.input"] = io.BytesIO(body)
        return self._application(environ, start_response)


def _read(stream: IO[bytes], most_bytes: int) -> bytes:
    parts, size = [], 0
    while size < most_bytes and (part := stream.read(min(_AT_ONCE, most_bytes - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
