"""Browsers for people of two organizations, and what happened to those organizations before anybody looked."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from sandbox.client import Sandbox
from tests.browser.desk import CHROMIUM_FLAGS, Desk, log_in
from tests.browser.world import PASSWORD, World, make_world

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REMEDY = "Chromium is missing: run `apt-get install -y chromium`"
_HERE = os.path.dirname(__file__)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """These tests come last, for Playwright's loop stays in the thread from the first of them on.

    Without Chromium they are left out with a notice; never in CI, where they fail and say so.
    """
    ours = [item for item in items if str(item.path).startswith(_HERE)]
    items.sort(key=lambda item: str(item.path).startswith(_HERE))
    for item in ours:
        item.add_marker(pytest.mark.browser)
    if CHROMIUM or os.environ.get("CI") == "true" or not ours:
        return
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in set(ours)]
    config.stash[_LEFT_OUT] = len(ours)


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """The notice, at the end where it is seen."""
    if config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"{config.stash[_LEFT_OUT]} browser tests left out. {REMEDY}", yellow=True)


_LEFT_OUT = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all of these tests."""
    if not CHROMIUM:
        pytest.fail(REMEDY, pytrace=False)
    # Playwright runs a loop in this thread, and Django would take the test for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def world(stack) -> World:
    """Two organizations with members, leads and everything that can happen to leads."""
    return make_world(stack, Sandbox(stack.sandbox_url))


@pytest.fixture(scope="session")
def seats(browser, stack, world) -> Iterator[Callable[[str], BrowserContext]]:
    """A logged-in browser profile by user name; each logs in once."""
    profiles: dict[str, BrowserContext] = {}

    def profile_of(username: str) -> BrowserContext:
        if username not in profiles:
            profiles[username] = log_in(browser, stack.base_url, username, PASSWORD)
        return profiles[username]

    yield profile_of
    for profile in profiles.values():
        profile.close()


@pytest.fixture
def desk_of(seats) -> Iterator[Callable[[str], Desk]]:
    """A page of its own for somebody; afterwards, no script failed or ran that should not have."""
    desks: list[Desk] = []

    def desk(username: str) -> Desk:
        desks.append(Desk(seats(username)))
        return desks[-1]

    yield desk
    for each in desks:
        each.close()


@pytest.fixture
def owner(desk_of, world) -> Desk:
    """The owner of A."""
    return desk_of(world.owner)


@pytest.fixture
def agent(desk_of, world) -> Desk:
    """An agent of A."""
    return desk_of(world.agent)


@pytest.fixture
def stranger(desk_of, world) -> Desk:
    """A viewer of B."""
    return desk_of(world.stranger)
