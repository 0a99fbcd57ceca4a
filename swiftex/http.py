"""The one door to other services: one try under one deadline, over pooled `requests` sessions.

docs/adr/0017-outgoing-http.md tells what a call costs and why the session's pools are used without its machinery.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from time import monotonic
from typing import Any, cast

from django.conf import settings
from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3 import HTTPConnectionPool, Timeout
from urllib3.exceptions import HTTPError, SSLError
from urllib3.response import BaseHTTPResponse
from urllib3.util import parse_url

from swiftex import addresses, database
from swiftex.http_connections import NeverReached, PlainPool, TLSPool, call, tls_context

_POOL_SIZE = 200
_ORIGINS = 512
_OUR_OWN_DEADLINES = Timeout(connect=None, read=None)


class HttpFailure(Exception):
    """No usable answer came back; `reason` is a short code without personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(HttpFailure):
    """A definite no: the request never reached the server, so it may be sent again or elsewhere."""


class NoAnswer(HttpFailure):
    """Unknown: the server may have acted on the request, and its answer didn't arrive whole and in time."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, complete with its headers; Host, Content-Length and User-Agent are added."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The server's answer, whatever its status; header names are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def perform(
    request: HttpRequest, *, deadline_s: float, connect_timeout_s: float = 0.5, max_bytes: int = 1_000_000
) -> HttpResponse:
    """The server's answer to one try, complete within deadline_s of wall-clock time.

    No retry, no redirect, no proxy of the environment.  The database connection is handed back first: raises
    database.TransactionIsOpen (a RuntimeError) while a transaction is open.  Raises NotSent when nothing left the
    house, NoAnswer when it did and no whole answer of at most max_bytes came back in time.
    """
    database.release_connection()
    call.until = monotonic() + deadline_s
    call.connect_timeout_s = connect_timeout_s
    call.is_written = False
    try:
        return _try_once(request, max_bytes)
    except NeverReached as failure:
        if failure.reason != "closed_before_sending":
            raise NotSent(failure.reason) from None
    try:  # the pooled connection was dead and took no byte, so this is still the first try
        return _try_once(request, max_bytes)
    except NeverReached as failure:
        raise NotSent(failure.reason) from None


def check_public_url(url: str) -> None:
    """Nothing is wrong with an address that an organization sets; raises ValueError(reason) otherwise.

    Names are not looked up here: what they resolve to is checked at each connect, for it may change.
    """
    try:
        parts = parse_url(url)
    except (HTTPError, ValueError):
        raise ValueError("is not a web address") from None
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise ValueError("must begin with https:// or http:// and name a host")
    if parts.auth or "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError("must not carry a user name or password")
    if parts.port is not None and addresses.port_refusal(parts.port):
        raise ValueError("names a port that no web server listens on")
    if not settings.SWIFTEX_ALLOW_PRIVATE_HOSTS and _is_inward(parts.host):
        raise ValueError("must not point to a private or local address")


def _is_inward(host: str) -> bool:
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    refusal = addresses.address_refusal(name)
    if refusal == "not_an_address":
        last = name.rpartition(".")[2]
        return last.startswith("0x") or last.isdigit()  # 127.1, 0x7f000001 and 2130706433 are addresses to a resolver
    return refusal is not None


def _try_once(request: HttpRequest, max_bytes: int) -> HttpResponse:
    origin, target = _split(request.url)
    try:
        answer = _pool(origin).urlopen(
            request.method,
            target,
            body=request.body,
            headers={"User-Agent": "swiftex", **request.headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=_OUR_OWN_DEADLINES,
            preload_content=False,
        )
        return _read(answer, max_bytes)
    except (HTTPError, OSError, ValueError) as error:
        raise _failure_of(error) from None


def _read(answer: BaseHTTPResponse, max_bytes: int) -> HttpResponse:
    """The whole answer; its connection goes back to the pool, or is closed when the body is too large."""
    body = answer.read(max_bytes + 1)
    if len(body) > max_bytes:
        answer.close()
        raise NoAnswer("too_large")
    answer.release_conn()
    return HttpResponse(answer.status, answer.headers, body)


def _failure_of(error: Exception) -> Exception:
    if call.is_written:
        return NoAnswer("timeout" if _is_late() else "cut_off")
    if isinstance(error, SSLError):
        return NeverReached("tls_failure")
    return NeverReached("connect_timeout" if _is_late() else "connect_failure")


def _is_late() -> bool:
    return monotonic() >= call.until - 0.001


class _GuardedAdapter(HTTPAdapter):
    """A requests adapter whose pools make guarded connections."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TLSPool}

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**tls, "ssl_context": tls_context_of_process()} if host["scheme"] == "https" else {}


@cache
def tls_context_of_process() -> Any:
    """The TLS settings, read once: loading the authorities takes longer than a call."""
    return tls_context()


@cache
def _session() -> Session:
    session = Session()
    session.trust_env = False
    adapter = _GuardedAdapter(pool_connections=2 * _ORIGINS, pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


@lru_cache(maxsize=_ORIGINS)
def _pool(origin: str) -> HTTPConnectionPool:
    adapter = _session().get_adapter(origin)
    assert isinstance(adapter, HTTPAdapter)  # noqa: S101 - mounted above
    return cast("HTTPConnectionPool", adapter.get_connection_with_tls_context(_prepared(origin), verify=True))


@lru_cache(maxsize=4096)
def _split(url: str) -> tuple[str, str]:
    """(origin, path with query) in normal form; raises NeverReached for what is no web address or a forbidden port."""
    prepared = _prepared(url)
    parts = parse_url(prepared.url or "")
    if parts.scheme not in {"http", "https"} or parts.auth or (parts.port and addresses.port_refusal(parts.port)):
        raise NeverReached("bad_address")
    return f"{parts.scheme}://{parts.netloc}", prepared.path_url


def _prepared(url: str) -> PreparedRequest:
    prepared = PreparedRequest()
    try:
        prepared.prepare_url(url, None)
    except (RequestException, HTTPError, ValueError):
        raise NeverReached("bad_address") from None
    return prepared
