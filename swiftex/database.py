"""What the product adds to Django's database layer: a deadline for requests, handing back, and hand-written SQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg
from django.db import connection

from swiftex.postgresql.base import deadline_at

Parameters = Sequence[Any] | Mapping[str, Any]


class TransactionIsOpen(RuntimeError):
    """A transaction would be held open over something slow: a call to another service, or a wait."""

    def __init__(self) -> None:
        super().__init__("a database transaction is open here: commit first, then call out (docs/path-of-a-lead.md)")


@contextmanager
def client_deadline(seconds: float) -> Iterator[None]:
    """Statements inside the block end with OperationalError once `seconds` have passed, even if the server is frozen.

    The connection is closed then, and whatever transaction was open is gone with it.  An outer, earlier deadline holds.
    """
    outer = deadline_at.get()
    until = monotonic() + seconds
    token = deadline_at.set(until if outer is None else min(outer, until))
    try:
        yield
    finally:
        deadline_at.reset(token)


@contextmanager
def deadline_per_step(seconds: float) -> Iterator[None]:
    """As client_deadline, but in place of an outer deadline: for one of many independent steps of a long request."""
    token = deadline_at.set(monotonic() + seconds)
    try:
        yield
    finally:
        deadline_at.reset(token)


def release_connection() -> None:
    """This thread holds no database connection: it is back in the pool, or closed where there is no pool.

    Raises TransactionIsOpen inside an atomic block, for rows would stay locked.
    """
    if connection.in_atomic_block:
        raise TransactionIsOpen
    if connection.connection is not None:
        connection.close()


def fetch_all(sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
    """The rows of a hand-written statement, as tuples; [] for one without rows.

    The statement is prepared, and its plan kept by the connection: values travel beside the text, so a null or an
    array needs a cast in it where nothing else says its type (docs/adr/0007-prepared-statements.md).
    """
    with _run(sql, parameters) as cursor:
        return cursor.fetchall() if cursor.description else []


def fetch_one(sql: str, parameters: Parameters = ()) -> tuple[Any, ...] | None:
    """The first row of a hand-written statement, or None."""
    with _run(sql, parameters) as cursor:
        return cursor.fetchone()


def execute(sql: str, parameters: Parameters = ()) -> int:
    """The number of rows that a hand-written statement touched."""
    with _run(sql, parameters) as cursor:
        return cursor.rowcount


@contextmanager
def _run(sql: str, parameters: Parameters) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, prepare=True)
        if connection.queries_logged:
            connection.queries_log.append({"sql": sql, "time": ""})
        yield cursor
