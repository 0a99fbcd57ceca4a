"""What every test of a promise starts from: the shared stack, its sandbox, and shops that nobody else uses."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.client import Sandbox
from tests.acceptance.shop import Shop, open_shop


@pytest.fixture(scope="session")
def sandbox(stack) -> Sandbox:
    """The sandbox of the stack."""
    return Sandbox(stack.sandbox_url)


@pytest.fixture
def new_shop(stack, sandbox) -> Callable[..., Shop]:
    """Opens shops; sections of their configuration may be changed, as `new_shop(greeting={"unknown_wait_s": 1})`."""
    return lambda **changes: open_shop(stack, sandbox, **changes)


@pytest.fixture
def shop(new_shop) -> Shop:
    """One shop."""
    made: Any = new_shop()
    return made
