"""Airflow's UI in Chromium, logged in, with nothing but this machine within reach.

Airflow's own pages may complain on the console and be refused a file before the login; ours may not. So what is kept
of complaints is what our pages did, and every request that left the machine, whoever asked for it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from phrasemill.web.pages import URL_PREFIX
from tests.chromium import Watch

WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
PATIENCE_MS = 60_000
FRAMED = "console warning: An iframe which has both allow-scripts and allow-same-origin"
"""What Chromium says of the frame that Airflow puts around our pages."""
expect.set_options(timeout=PATIENCE_MS)  # of itself it waits for five seconds
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class AirflowUi:
    """One window, logged in."""

    def __init__(self, page: Page, address: str, watch: Watch) -> None:
        self.page = page
        self.address = address
        self._watch = watch

    def open(self, path: str) -> Page:
        """Open a path of Airflow's, as typed into the address bar."""
        self.page.goto(self.address + path)
        return self.page

    def ours(self, ending: str) -> Frame:
        """The frame in which our page stands whose path ends so, loaded; the window's own where it stands alone.

        A frame is there before its page is, and still has the page before while the next one is asked for.
        """
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < deadline:
            for frame in self.page.frames:
                path = urlsplit(frame.url).path
                if path.startswith(f"{URL_PREFIX}/") and path.endswith(ending):
                    frame.wait_for_load_state("networkidle")
                    return frame
            self.page.wait_for_timeout(100)
        raise AssertionError(f"no page of ours that ends in {ending} at {self.page.url}")

    def complaints(self) -> list[str]:
        """What our pages did that no page may do, and all requests that left the machine."""
        return [
            complaint
            for complaint in self._watch.complaints
            if complaint.startswith(("asked for", "dialog", "opened a window"))
            or (URL_PREFIX + "/" in complaint and not complaint.startswith(FRAMED))
        ]


@contextmanager
def airflow_ui(chromium: Browser, address: str, *, password: str, screen: dict[str, int]) -> Iterator[AirflowUi]:
    """A window of this size, logged in through Airflow's own form."""
    watch = Watch()
    context: BrowserContext = chromium.new_context(viewport=screen)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    context.route("**/*", watch.gate)
    context.on("page", watch)
    page = context.new_page()
    page.goto(address)
    page.locator("input[name=username]").fill("admin")
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Corpora")).to_be_visible(timeout=PATIENCE_MS)
    try:
        yield AirflowUi(page, address, watch)
    finally:
        context.close()


def accessibility(frame: Frame) -> list[str]:
    """What axe-core has against a page: the rule, and where it is broken."""
    frame.evaluate(AXE)  # through the debugger, which the page's policy does not bind
    found: dict[str, Any] = frame.evaluate("rules => axe.run(document, rules)", RULES)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])}x)" for one in found["violations"]]


def fits(frame: Frame) -> bool:
    """Whether a page is no wider than its window."""
    return bool(frame.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
