"""Fixtures for all tests. Tests of the whole stack run after all others, see `stack`."""

from collections.abc import Iterator

import pytest

from swiftex.runtime.stack import Stack
from tests.stack import orm_pointed_at, whole_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use `stack` are marked and come last: from its start on the ORM sees the stack's database."""
    for item in items:
        if "stack" not in getattr(item, "fixturenames", ()):
            continue
        item.add_marker(pytest.mark.stack)
        if item.get_closest_marker("django_db"):
            raise pytest.UsageError(f"{item.nodeid}: `stack` gives the database already; django_db would empty it")
    items.sort(key=lambda item: item.get_closest_marker("stack") is not None)


@pytest.fixture(scope="session")
def stack(tmp_path_factory, django_db_blocker) -> Iterator[Stack]:
    """A running Swiftex with the sandbox, shared by the session; ready, and brought back to that if a test was rough.

    The ORM works on its database, with no django_db mark and no rollback: each test makes an organization of its own.
    """
    with whole_stack(tmp_path_factory.mktemp("stack")) as running, django_db_blocker.unblock(), orm_pointed_at(running):
        yield running


@pytest.fixture(autouse=True)
def _stack_made_whole(request) -> Iterator[None]:
    """What a test of the stack stopped or killed runs again before the next one."""
    yield
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").make_whole()
