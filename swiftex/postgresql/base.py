"""Django's PostgreSQL backend with a deadline and a pool that recovers at once (docs/adr/0015-database-deadline.md).

What it adds: a statement that outlives `swiftex.database.client_deadline` ends with OperationalError and takes its
connection with it, so that a frozen server can't hold a request; a pooled connection whose server has gone away is
recognised by one poll of its socket before it is lent, without a round trip.
"""

import select
from collections.abc import Generator
from contextvars import ContextVar
from time import monotonic
from typing import Any, TypeVar

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import errors
from psycopg.waiting import Ready
from psycopg_pool import ConnectionPool, PoolTimeout

RV = TypeVar("RV")
_PREPARE_ON_REQUEST_ALONE = 1_000_000_000
# How long a request waits for a database that let the last one down: requests must not queue behind each other's wait.
PATIENCE_IN_DOUBT_S = 0.05

deadline_at: ContextVar[float | None] = ContextVar("deadline_at", default=None)
"""The time.monotonic() by which statements of this thread must be over; None: they may take their time."""


class _Doubt:
    """Whether the database of this process missed a deadline and has answered nobody since."""

    def __init__(self) -> None:
        self.exists = False

    def left_s(self, until: float) -> float:
        """Seconds that may be waited for the database, out of those that are left until the deadline."""
        left_s = until - monotonic()
        return max(0.0, min(left_s, PATIENCE_IN_DOUBT_S) if self.exists else left_s)


doubt = _Doubt()


def _heard(gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
    """The same generator; when it ends well and the server has said something, the doubt is over."""
    has_spoken, ready = False, None
    while True:
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            if has_spoken:
                doubt.exists = False
            result: RV = end.value
            return result
        ready = yield wanted
        has_spoken = has_spoken or bool(ready & Ready.R)


class Connection(psycopg.Connection[Any]):
    """A connection that gives up, and closes itself, when the deadline passes."""

    def wait(self, gen: Generator[Any, Any, RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """The generator's result; raises OperationalError and closes the connection when the deadline passes first."""
        until = deadline_at.get()
        if until is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(_heard(gen) if doubt.exists else gen, interval, doubt.left_s(until))
        except errors._WaitTimeout:
            doubt.exists = True
            self.close()
            raise psycopg.OperationalError("the database did not answer before the deadline") from None


class Pool(ConnectionPool[Connection]):
    """A pool that lends no connection whose server has hung up, and waits no longer than the deadline allows."""

    def getconn(self, timeout: float | None = None) -> Connection:
        """A connection that was alive a moment ago; raises PoolTimeout when none came in time."""
        give_up_at = monotonic() + (self.timeout if timeout is None else timeout)
        if (until := deadline_at.get()) is not None:
            give_up_at = min(give_up_at, monotonic() + doubt.left_s(until))
        while True:
            connection = self._lend(give_up_at - monotonic())
            if not _has_hung_up(connection):
                return connection
            connection.close()
            self.putconn(connection)

    def _lend(self, timeout_s: float) -> Connection:
        if timeout_s <= 0:
            raise PoolTimeout("no connection before the deadline")
        try:
            return super().getconn(timeout_s)
        except PoolTimeout:
            doubt.exists = True
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper, lending connections from the pool above."""

    def get_connection_params(self) -> dict[str, Any]:
        """Django's parameters, with statements prepared that ask for it; Django turns even those off."""
        parameters: dict[str, Any] = super().get_connection_params()
        parameters["prepare_threshold"] = parameters["prepare_threshold"] or _PREPARE_ON_REQUEST_ALONE
        return parameters

    @property
    def pool(self) -> Pool | None:
        pools: dict[str, Pool] = self._connection_pools  # type: ignore[attr-defined]  # missing in django-stubs
        if (pool := pools.get(self.alias)) is not None:
            return pool
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        made = Pool(
            kwargs={**self.get_connection_params(), "autocommit": True},
            connection_class=Connection,
            open=False,
            configure=self._configure_connection,  # type: ignore[attr-defined]  # missing in django-stubs
            **options,
        )
        return pools.setdefault(self.alias, made)


def _has_hung_up(connection: Connection) -> bool:
    """Whether the server closed the connection, or said something nobody asked for, such as that it is going down."""
    try:
        poll = select.poll()
        poll.register(connection.pgconn.socket, select.POLLIN)
    except psycopg.OperationalError:
        return True
    return bool(poll.poll(0))
