"""Connections of the outgoing transport: every read under one deadline, every address checked (swiftex/http.py).

An HTTP library's timeouts are per read, so a server that drips a byte a second holds a caller for ever.  Here each
read gets what is left of the call, measured at the socket, so that headers and bodies are cut off alike.
"""

import socket
import ssl
import threading
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from certifi import where as certificate_bundle
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from swiftex.addresses import address_refusal

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class NeverReached(Exception):
    """Nothing of the request has left; `reason` is a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Call(threading.local):
    """The call that this thread is making: until when (monotonic), how long a connect may take, whether bytes left."""

    until: float = 0.0
    connect_timeout_s: float = 0.5
    is_written: bool = False

    def left_s(self) -> float:
        """Seconds left; raises TimeoutError when there are none."""
        left = self.until - monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        return left


call = Call()


class _DeadlineSocket(socket.socket):
    """A socket whose reads end with the call's deadline."""

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(call.left_s())
        return super().recv_into(buffer, nbytes, flags)


class _DeadlineTLSSocket(ssl.SSLSocket):
    """The same for TLS."""

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(call.left_s())
        return super().recv_into(buffer, nbytes, flags)


class _Guarded(HTTPConnection):
    """What both kinds of connection do differently from urllib3."""

    def _new_conn(self) -> socket.socket:
        """A socket connected to an address that was checked, and to no other; raises NeverReached."""
        until = min(call.until, monotonic() + call.connect_timeout_s)
        reason = "no_address"
        for family, address in _resolve(self.host, self.port, until - monotonic()):
            try:
                return _connect(family, address, until - monotonic())
            except TimeoutError:
                raise NeverReached("connect_timeout") from None
            except OSError:
                reason = "connection_refused"
        raise NeverReached(reason)

    def send(self, data: Any) -> None:
        """The bytes are with the kernel, and the call knows that something has left.

        A pooled connection that fails at the first byte had been closed by the server: nothing was written.
        """
        if self.sock is not None:
            self.sock.settimeout(call.left_s())
        try:
            super().send(data)
        except (BrokenPipeError, ConnectionResetError):
            if not call.is_written:
                raise NeverReached("closed_before_sending") from None
            raise
        except OSError:
            call.is_written = True
            raise
        call.is_written = True


class _TLSConnection(_Guarded, HTTPSConnection):
    pass


class PlainPool(HTTPConnectionPool):
    """Guarded connections to one http:// origin."""

    ConnectionCls = _Guarded


class TLSPool(HTTPSConnectionPool):
    """Guarded connections to one https:// origin."""

    ConnectionCls = _TLSConnection


def tls_context() -> ssl.SSLContext:
    """Certificates are verified, with SWIFTEX_CA_FILE or the public authorities; reads keep to the deadline."""
    context = ssl.create_default_context(cafile=settings.SWIFTEX_CA_FILE or certificate_bundle())
    context.sslsocket_class = _DeadlineTLSSocket
    return context


def _resolve(host: str, port: int, timeout_s: float) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Every address of the name, all of them allowed; raises NeverReached.

    The system's resolver has no timeout of its own, so a name is looked up in a thread that may be left behind.
    """
    found: list[tuple[Any, ...]] = []
    if _is_literal(host):
        _look_up(host, port, found)
    else:
        thread = threading.Thread(target=_look_up, args=(host, port, found), name="resolve", daemon=True)
        thread.start()
        thread.join(max(0.0, timeout_s))
        if thread.is_alive():
            raise NeverReached("dns_timeout")
    if not found:
        raise NeverReached("dns_failure")
    if not settings.SWIFTEX_ALLOW_PRIVATE_HOSTS and any(address_refusal(str(entry[4][0])) for entry in found):
        raise NeverReached("blocked_address")
    return [(entry[0], entry[4]) for entry in found]


def _look_up(host: str, port: int, found: list[tuple[Any, ...]]) -> None:
    try:
        found.extend(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return


def _is_literal(host: str) -> bool:
    return address_refusal(host.strip("[]")) != "not_an_address"


def _connect(family: socket.AddressFamily, address: tuple[Any, ...], timeout_s: float) -> socket.socket:
    connected = _DeadlineSocket(family, socket.SOCK_STREAM)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(max(0.001, timeout_s))
        connected.connect(address)
        connected.settimeout(call.left_s())
    except BaseException:
        connected.close()
        raise
    return connected
