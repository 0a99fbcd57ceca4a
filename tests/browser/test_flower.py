"""Flower behind its login, beside the session's stack, whose workers it watches."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from tests.acceptance.shop import until

LOGIN = ("flower", "a password")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def flower_url(stack) -> Iterator[str]:
    """Flower on the stack's broker, ended afterwards."""
    port = _free_port()
    env = {
        **stack.env, "FLOWER_ADDRESS": "127.0.0.1", "FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": ":".join(LOGIN),
        "SWIFTEX_ROLE": "command",
    }  # fmt: skip
    command = ["-m", "celery", "-A", "swiftex.celery:app", "flower", "--conf=swiftex/flowerconfig.py"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: _answers(url), what="Flower")
    yield url
    process.terminate()
    process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 401
    except requests.ConnectionError:
        return False


def test_flower_asks_for_a_login_and_shows_tasks_by_name(browser, flower_url, world):
    assert requests.get(f"{flower_url}/tasks", auth=("flower", "wrong"), timeout=5).status_code == 401
    profile = browser.new_context(http_credentials={"username": LOGIN[0], "password": LOGIN[1]})
    page = profile.new_page()
    page.goto(f"{flower_url}/workers")
    expect(page.get_by_role("link", name="worker-greeting", exact=False).first).to_be_visible(timeout=15_000)

    lead = world.a.ended(world.a.submit())

    assert lead.greeting_state == "greeted"
    until(lambda: page.goto(f"{flower_url}/tasks") and _names(page) >= {"greet_lead"}, every_s=0.5, what="the task")
    assert str(lead.pk) not in page.inner_text("body")
    profile.close()


def _names(page) -> set[str]:
    page.wait_for_timeout(500)
    return set(page.locator("#tasks-table tbody td").all_inner_texts())
