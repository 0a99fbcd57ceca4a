"""A person at the admin: opens pages, reads them, presses buttons; and notices whatever a page does wrong."""

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

CHROMIUM_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
WINDOW = {"width": 1360, "height": 900}
_FAILED_LOADING = "Failed to load resource"


def log_in(browser: Browser, base_url: str, username: str, password: str) -> BrowserContext:
    """A profile whose session is this person's."""
    profile = browser.new_context(base_url=base_url, viewport=WINDOW)
    profile.set_default_timeout(10_000)
    page = profile.new_page()
    page.goto("/admin/login/")
    page.fill("#id_username", username)
    page.fill("#id_password", password)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title(re.compile("Swiftex"))
    assert page.url.endswith("/admin/"), page.inner_text("body")
    page.close()
    return profile


def keep_picture(page: Page, name: str) -> None:
    """docs/images/NAME.png shows the page, if SWIFTEX_SCREENSHOTS=1; a plain test run leaves the tree as it is."""
    if os.environ.get("SWIFTEX_SCREENSHOTS") == "1":
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")


class Desk:
    """One tab. `wrongs`: errors of scripts, popups, and answers that say the server failed."""

    def __init__(self, profile: BrowserContext) -> None:
        self.page = profile.new_page()
        self.wrongs: list[str] = []
        self.page.on("pageerror", lambda error: self.wrongs.append(f"script: {error}"))
        self.page.on("dialog", lambda dialog: (self.wrongs.append(f"popup: {dialog.message}"), dialog.dismiss()))
        self.page.on("console", self._hear)
        self.page.on("response", lambda answer: self._judge(answer.status, answer.url))

    def close(self) -> None:
        """The tab is closed; fails when anything went wrong in it."""
        self.page.close()
        assert self.wrongs == []

    def open(self, path: str, *, status: int = 200) -> str:
        """The words on the page, without the sidebar."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status}"
        return self.words()

    def words(self) -> str:
        """What a person reads on the page, in one line, with one space between words."""
        content = self.page.locator("#main, main, body").first
        return " ".join(content.inner_text().split())

    def table(self, path: str) -> list[dict[str, str]]:
        """The rows of a list page, each by the names of its columns."""
        self.open(path)
        return self.rows()

    def rows(self) -> list[dict[str, str]]:
        """The rows that are in sight."""
        self.page.wait_for_load_state()
        table = self.page.locator("#result_list")
        if not table.count():
            return []
        heads = [text.strip().partition("\n")[0] for text in table.locator("thead th").all_inner_texts()]
        rows = []
        for row in table.locator("tbody tr").all():
            cells = [" ".join(text.split()) for text in row.locator("td, th").all_inner_texts()]
            rows.append({head: cell for head, cell in zip(heads, cells, strict=True) if head})
        return rows

    def choose(self, action: str, *names: str) -> None:
        """The action is run on the rows with these names in them; on all rows when none is named."""
        rows = self.page.locator("#result_list tbody tr")
        for row in [rows.filter(has_text=name) for name in names] or rows.all():
            row.locator("input.action-select").first.check()
        self.page.locator("select[name=action]").select_option(label=action)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Run").click()

    def button(self, name: str) -> Locator:
        """The button or link above a page with this name."""
        return self.page.get_by_role("link", name=name, exact=True)

    def confirm(self, name: str, *, submit: str) -> None:
        """The button's dialog is answered with yes, and the page that follows is shown."""
        self.button(name).click()
        with self.page.expect_navigation():
            self.page.locator("#dialog").get_by_role("button", name=submit).click()

    def save(self) -> str:
        """The form is sent; the words of the page that follows."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Save", exact=True).click()
        return self.words()

    def picture(self, name: str) -> None:
        """As keep_picture."""
        keep_picture(self.page, name)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and _FAILED_LOADING not in message.text:
            self.wrongs.append(f"console: {message.text}")

    def _judge(self, status: int, url: str) -> None:
        if status >= 500:
            self.wrongs.append(f"{status} {url}")
