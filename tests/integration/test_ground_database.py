"""The database deadline and the pool, against a real PostgreSQL behind a proxy that can freeze, drop and refuse."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections, transaction
from django.db.utils import load_backend

from swiftex import database
from swiftex.postgresql.base import doubt

pytestmark = pytest.mark.django_db(transaction=True)


class Proxy:
    """Stands between a client and PostgreSQL."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.is_frozen = False
        self.is_refusing = False
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.is_refusing:
                    client.close()
                    continue
                server = socket.create_connection(self.target)
                self.open |= {client, server}
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                while self.is_frozen:
                    time.sleep(0.01)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def drop_all(self):
        for each in list(self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def close(self):
        self.is_frozen = False
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop_all()


@pytest.fixture
def proxy():
    of_tests = connections["default"].settings_dict
    proxy = Proxy(of_tests["HOST"], int(of_tests["PORT"]))
    yield proxy
    proxy.close()


@pytest.fixture
def pooled(proxy):
    """A wrapper as a web process has it, through the proxy."""
    described = {**connections["default"].settings_dict, "HOST": "127.0.0.1", "PORT": proxy.port}
    described["OPTIONS"] = {
        **described["OPTIONS"],
        "pool": {"min_size": 2, "max_size": 4, "timeout": 1, "reconnect_timeout": 1},
    }
    wrapper = load_backend("swiftex.postgresql").DatabaseWrapper(described, "proxied")
    yield wrapper
    wrapper.close()
    wrapper.close_pool()


@pytest.fixture(autouse=True)
def _no_doubt():
    """The database of these tests has let nobody down yet."""
    doubt.exists = False
    yield
    doubt.exists = False


def ask(wrapper):
    """What a request does: one statement, and the connection back."""
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()[0]
    finally:
        wrapper.close()


def failed_after(action):
    began = time.monotonic()
    with pytest.raises((OperationalError, InterfaceError)):
        action()
    return time.monotonic() - began


def test_a_frozen_server_ends_a_statement_at_the_deadline_and_not_before(pooled, proxy):
    assert ask(pooled) == 1
    proxy.is_frozen = True

    with database.client_deadline(0.5):
        seconds = failed_after(lambda: ask(pooled))

    assert 0.4 < seconds < 0.9


def test_while_the_server_is_in_doubt_nobody_waits_for_it_long(pooled, proxy):
    assert ask(pooled) == 1
    proxy.is_frozen = True
    with database.client_deadline(0.3):
        failed_after(lambda: ask(pooled))

    def in_a_transaction():
        with transaction.atomic(using="proxied"):
            ask(pooled)

    connections["proxied"] = pooled
    with database.client_deadline(1.5):
        seconds = [failed_after(action) for action in (lambda: ask(pooled), in_a_transaction) * 5]

    assert max(seconds) < 0.3
    proxy.is_frozen = False
    with database.client_deadline(1.5):
        assert answered_in_the_end(pooled) == 1
    assert not doubt.exists


def answered_in_the_end(wrapper):
    """The answer of the first try that gets one."""
    for _ in range(20):
        with suppress(OperationalError, InterfaceError):
            return ask(wrapper)
    return None


def test_a_request_to_a_frozen_server_is_over_within_its_deadline_however_many_connections_it_tries(pooled, proxy):
    assert ask(pooled) == 1
    proxy.is_frozen = True

    def request():
        with database.client_deadline(1.5):
            for _ in range(5):
                with suppress(OperationalError, InterfaceError):
                    ask(pooled)

    began = time.monotonic()
    request()

    assert time.monotonic() - began < 1.8


def test_after_the_deadline_the_next_statement_gets_another_connection(pooled, proxy):
    assert ask(pooled) == 1
    proxy.is_frozen = True
    with database.client_deadline(0.3):
        failed_after(lambda: ask(pooled))
    proxy.is_frozen = False

    with database.client_deadline(1.5):
        assert ask(pooled) == 1


@pytest.fixture
def known(pooled):
    """The same, found by Django under the name `proxied`."""
    connections["proxied"] = pooled
    yield pooled
    del connections["proxied"]


def test_an_open_transaction_is_gone_after_the_deadline(known, proxy):
    with known.cursor() as cursor:
        cursor.execute("CREATE TABLE ground_probe (value int)")

    with database.client_deadline(0.5):
        failed_after(lambda: _insert_and_freeze(known, proxy))
    proxy.is_frozen = False
    known.close()

    with known.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ground_probe")
        assert cursor.fetchone() == (0,)
        cursor.execute("DROP TABLE ground_probe")


def _insert_and_freeze(wrapper, proxy):
    with transaction.atomic(using=wrapper.alias), wrapper.cursor() as cursor:
        cursor.execute("INSERT INTO ground_probe VALUES (1)")
        proxy.is_frozen = True
        cursor.execute("SELECT 1")


def test_connections_that_the_server_closed_are_recognised_before_they_are_used(pooled, proxy):
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: ask_in_thread(pooled), range(8))) == [1] * 8
    proxy.drop_all()
    time.sleep(0.05)

    with database.client_deadline(1.5):
        assert [ask(pooled) for _ in range(6)] == [1] * 6


def ask_in_thread(pooled):
    return ask(load_backend("swiftex.postgresql").DatabaseWrapper(pooled.settings_dict, "proxied"))


def test_a_server_that_is_down_fails_a_request_within_its_deadline_and_the_pool_recovers_by_itself(pooled, proxy):
    assert ask(pooled) == 1
    pooled.pool.wait()  # its second connection would else come through while all are dropped
    proxy.is_refusing = True
    proxy.drop_all()
    time.sleep(0.05)
    for _ in range(3):
        with database.client_deadline(1.5):
            assert failed_after(lambda: ask(pooled)) < 1.8
    time.sleep(3)
    proxy.is_refusing = False

    began = time.monotonic()
    while True:
        with database.client_deadline(1.5), suppress(OperationalError, InterfaceError):
            assert ask(pooled) == 1
            break
    assert time.monotonic() - began < 2


def test_without_a_deadline_statements_take_their_time(pooled):
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.3)")
        assert cursor.fetchone() is not None


def test_an_inner_deadline_cannot_outlast_an_outer_one(pooled, proxy):
    assert ask(pooled) == 1
    proxy.is_frozen = True

    with database.client_deadline(0.3), database.client_deadline(5):
        assert failed_after(lambda: ask(pooled)) < 0.7


def test_release_connection_hands_back_and_refuses_inside_a_transaction():
    assert database.fetch_one("SELECT 1") == (1,)
    database.release_connection()
    assert connection.connection is None

    with transaction.atomic(), pytest.raises(database.TransactionIsOpen):
        database.release_connection()


def test_every_connection_has_the_limits_that_keep_a_stuck_statement_from_staying():
    limits = database.fetch_all(
        "SELECT name, setting FROM pg_settings WHERE name IN"
        " ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'TimeZone') ORDER BY name"
    )

    assert dict(limits) == {
        "TimeZone": "UTC",
        "idle_in_transaction_session_timeout": "15000",
        "lock_timeout": "5000",
        "statement_timeout": "30000",
    }
    assert settings.DATABASES["default"]["ENGINE"] == "swiftex.postgresql"
