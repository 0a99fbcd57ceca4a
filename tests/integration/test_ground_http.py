"""The door to other services, against small servers that hang, drip, reset, lie and redirect."""

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction

from swiftex import http, http_connections
from swiftex.http import HttpRequest, NoAnswer, NotSent, perform

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Gives each connection to `behave(connection, request_bytes)` for each request; counts both."""

    def __init__(self, behave, context=None):
        self.behave = behave
        self.context = context
        self.requests = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/path"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection:
            secure = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            with secure:
                while request := _read_request(secure):
                    self.requests.append(request)
                    if self.behave(secure, request) == "close":
                        return

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def _read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve():
    servers = []

    def start(behave, context=None):
        servers.append(Server(behave, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answers(payload):
    return lambda connection, _request: connection.sendall(payload)


def get(url, **options):
    return perform(HttpRequest("GET", url), **{"deadline_s": 2.0, **options})


def fails(kind, reason, action):
    began = time.monotonic()
    with pytest.raises(kind) as failure:
        action()
    assert failure.value.reason == reason
    return time.monotonic() - began


def test_a_request_arrives_as_it_was_made_and_the_answer_comes_back(serve):
    server = serve(answers(b"HTTP/1.1 201 Created\r\nX-Id: 7\r\nContent-Length: 5\r\n\r\nhello"))

    answer = perform(
        HttpRequest("POST", f"{server.url}?q=1", {"Authorization": "Bearer t", "Content-Type": "text/plain"}, b"body"),
        deadline_s=2,
    )

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /path?q=1 HTTP/1.1"
    assert b"Authorization: Bearer t" in lines
    assert b"Content-Length: 4" in lines
    assert f"Host: 127.0.0.1:{server.port}".encode() in lines
    assert body == b"body"
    assert (answer.status, answer.headers["x-id"], answer.body) == (201, "7", b"hello")


def test_connections_are_kept_and_used_again(serve):
    server = serve(answers(OK))

    for _ in range(5):
        get(server.url)

    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_without_a_second_send(serve):
    def once(connection, _request):
        connection.sendall(OK)
        return "close"

    server = serve(once)
    get(server.url)
    time.sleep(0.05)

    assert get(server.url).status == 200
    assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_every_status_is_an_answer_and_no_redirect_is_followed(serve, status):
    elsewhere = serve(answers(OK))
    location = f"Location: {elsewhere.url}\r\n".encode()
    server = serve(answers(f"HTTP/1.1 {status} X\r\n".encode() + location + b"Content-Length: 0\r\n\r\n"))

    assert get(server.url).status == status
    assert elsewhere.connections == 0


def test_a_body_in_chunks_and_a_compressed_one_are_read_whole(serve):
    chunked = serve(
        answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    )
    packed = gzip.compress(b"x" * 1000)
    zipped = serve(
        answers(f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed)
    )

    assert get(chunked.url).body == b"abcde"
    assert get(zipped.url).body == b"x" * 1000
    assert get(chunked.url).body == b"abcde"
    assert chunked.connections == 1


# --- a definite no


def test_a_refused_connection_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    fails(NotSent, "connection_refused", lambda: get(f"http://127.0.0.1:{port}/"))


def test_a_name_that_does_not_exist_was_not_sent():
    fails(NotSent, "dns_failure", lambda: get("http://does-not-exist.invalid/"))


def test_a_server_that_does_not_take_the_connection_was_not_sent_after_the_connect_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        held = []
        with contextlib.suppress(TimeoutError, BlockingIOError):
            for _ in range(8):  # fill the backlog
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                held.append(filler)
        time.sleep(0.05)
        port = listener.getsockname()[1]

        seconds = fails(
            NotSent, "connect_timeout", lambda: get(f"http://127.0.0.1:{port}/", connect_timeout_s=0.3, deadline_s=3)
        )

        assert 0.2 < seconds < 0.8
        for each in held:
            each.close()


def test_a_certificate_that_nobody_vouches_for_was_not_sent(serve, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = serve(answers(OK), context)

    fails(NotSent, "tls_failure", lambda: get(server.url))
    assert server.requests == []


def test_a_server_that_never_finishes_the_tls_handshake_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        seconds = fails(NotSent, "connect_timeout", lambda: get(f"https://127.0.0.1:{port}/", deadline_s=0.5))

    assert 0.4 < seconds < 0.9


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://",
        "nonsense",
        "http://u:p@host.test/",
    ],
)
def test_what_is_no_web_address_was_not_sent(url):
    fails(NotSent, "bad_address", lambda: get(url))


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 11211])
def test_ports_of_other_services_are_never_called(port):
    fails(NotSent, "bad_address", lambda: get(f"http://127.0.0.1:{port}/"))


# --- unknown


def test_a_server_that_accepts_and_hangs_leaves_it_unknown_at_the_deadline(serve):
    server = serve(lambda _connection, _request: time.sleep(5))

    seconds = fails(NoAnswer, "timeout", lambda: get(server.url, deadline_s=0.5))

    assert 0.4 < seconds < 0.8
    assert len(server.requests) == 1


def drip(payload):
    def behave(connection, _request):
        for byte in payload:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return behave


def test_dripped_header_bytes_are_cut_off_at_the_deadline(serve):
    server = serve(drip(OK))

    assert 0.4 < fails(NoAnswer, "timeout", lambda: get(server.url, deadline_s=0.5)) < 0.8


def test_dripped_body_bytes_are_cut_off_at_the_deadline(serve):
    def behave(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        drip(b"x" * 1000)(connection, request)

    server = serve(behave)

    assert 0.4 < fails(NoAnswer, "timeout", lambda: get(server.url, deadline_s=0.5)) < 0.8


def test_dripped_chunks_are_cut_off_at_the_deadline(serve):
    def behave(connection, _request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1\r\nx\r\n")
            time.sleep(0.05)

    server = serve(behave)

    assert 0.4 < fails(NoAnswer, "timeout", lambda: get(server.url, deadline_s=0.5)) < 0.8


def test_a_connection_that_was_cut_off_is_not_used_again(serve):
    server = serve(drip(OK))
    fails(NoAnswer, "timeout", lambda: get(server.url, deadline_s=0.2))
    server.behave = answers(OK)

    assert get(server.url).body == b"{}"
    assert server.connections == 2


def test_a_reset_after_the_request_leaves_it_unknown(serve):
    def reset(connection, _request):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "close"

    server = serve(reset)

    fails(NoAnswer, "cut_off", lambda: get(server.url))
    assert len(server.requests) == 1


def test_closing_a_kept_connection_instead_of_answering_leaves_it_unknown_and_is_not_tried_again(serve):
    server = serve(answers(OK))
    get(server.url)
    server.behave = lambda _connection, _request: "close"

    fails(NoAnswer, "cut_off", lambda: get(server.url))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02 nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"",
    ],
)
def test_garbage_leaves_it_unknown(serve, garbage):
    def behave(connection, _request):
        connection.sendall(garbage)
        return "close"

    fails(NoAnswer, "cut_off", lambda: get(serve(behave).url))


def test_a_body_over_the_limit_is_refused_without_reading_it_all(serve):
    def endless(connection, _request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    server = serve(endless)
    exact = serve(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100))

    fails(NoAnswer, "too_large", lambda: get(server.url, max_bytes=100_000))
    assert len(get(exact.url, max_bytes=100).body) == 100
    fails(NoAnswer, "too_large", lambda: get(exact.url, max_bytes=99))


def test_a_compressed_bomb_is_refused(serve):
    bomb = gzip.compress(b"\0" * 50_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    server = serve(answers(head + bomb))

    fails(NoAnswer, "too_large", lambda: get(server.url))


# --- TLS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """(certificate, key) of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def secure(serve, certificate, settings):
    """A server whose certificate our own authority file vouches for."""
    settings.SWIFTEX_CA_FILE = str(certificate[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    for each in (http.tls_context_of_process, http._session, http._pool):
        each.cache_clear()
    yield lambda behave: serve(behave, context)
    for each in (http.tls_context_of_process, http._session, http._pool):
        each.cache_clear()


def test_a_secure_answer_comes_back_over_a_kept_connection(secure):
    server = secure(answers(OK))

    assert [get(server.url).body for _ in range(3)] == [b"{}"] * 3
    assert server.connections == 1


def test_bytes_dripped_through_tls_are_cut_off_at_the_deadline(secure):
    server = secure(drip(OK))

    assert 0.4 < fails(NoAnswer, "timeout", lambda: get(server.url, deadline_s=0.5)) < 0.8


# --- addresses that point inward


@pytest.fixture
def guarded(settings):
    settings.SWIFTEX_ALLOW_PRIVATE_HOSTS = False


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::]"],
)
def test_no_packet_reaches_a_loopback_server(serve, host):
    canary = serve(answers(OK))

    with pytest.raises(NotSent):
        get(f"http://{host}:{canary.port}/")
    time.sleep(0.02)
    assert canary.connections == 0


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]"],
)
def test_private_addresses_are_blocked_before_a_packet_leaves(address):
    fails(NotSent, "blocked_address", lambda: get(f"http://{address}/"))


@pytest.mark.usefixtures("guarded")
def test_one_private_address_among_several_blocks_the_name(monkeypatch, serve):
    canary = serve(answers(OK))
    family = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*family, ("93.184.216.34", canary.port)), (*family, ("127.0.0.1", canary.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)

    fails(NotSent, "blocked_address", lambda: get(f"http://two-faced.test:{canary.port}/"))
    assert canary.connections == 0


@pytest.mark.usefixtures("guarded")
def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_called(monkeypatch, serve):
    """A resolver that says a public address first and a private one the second time gets no second time."""
    canary = serve(answers(OK))
    asked = []

    def rebinding(_host, port, **_options):
        asked.append(port)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    called = []
    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(
        http_connections._DeadlineSocket, "connect", lambda _self, address: called.append(address) or _refuse()
    )

    fails(NotSent, "connection_refused", lambda: get(f"http://rebinding.test:{canary.port}/"))
    assert (len(asked), called) == (1, [("93.184.216.34", canary.port)])
    assert canary.connections == 0


def _refuse():
    raise ConnectionRefusedError


def test_a_resolver_that_hangs_costs_the_connect_timeout_only(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: time.sleep(3) or [])

    assert fails(NotSent, "dns_timeout", lambda: get("http://slow.test/", connect_timeout_s=0.3)) < 0.7


# --- proxies and transactions


def test_proxies_of_the_environment_are_not_used(serve, monkeypatch):
    proxy, server = serve(answers(OK)), serve(answers(OK))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

    get(server.url)

    assert (proxy.connections, server.connections) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_no_call_leaves_while_a_transaction_is_open_and_the_connection_is_handed_back_before_one(serve):
    from django.db import connection

    server = serve(answers(OK))

    with transaction.atomic(), pytest.raises(RuntimeError):
        get(server.url)
    assert server.connections == 0

    connection.ensure_connection()
    get(server.url)
    assert connection.connection is None
