"""Pages in Chromium with the network blocked; a test fails on anything that a page asks of elsewhere or complains of.

`visit` opens a page (a file or an address of this machine) and gives it back. Whatever happens on any page of the
test is watched: requests that leave the machine or fail, answers of 400 and above, errors on the console, uncaught
errors, dialogs, windows that open. `PHRASEMILL_CHROMIUM` names another Chromium than the system's.
"""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request, Response, Route, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers give it 64 MB
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What a route cannot see (prefetches, DNS) finds no host either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    names = [os.environ.get("PHRASEMILL_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    program = next((found for name in names if name and (found := shutil.which(name))), None)
    if program is None:
        pytest.fail("there is no Chromium: run requirements/system.sh, or set PHRASEMILL_CHROMIUM", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Watch:
    """What the pages of a test did that no page of ours may do."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def __call__(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._note(f"uncaught error: {error}"))
        page.on("dialog", self._dialog)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)
        page.on("popup", lambda popup: self._note(f"opened a window: {popup.url}"))

    def gate(self, route: Route) -> None:
        """Let through what stays on this machine."""
        url = urlsplit(route.request.url)
        if url.scheme in {"file", "data", "blob"} or url.hostname == "127.0.0.1":
            route.continue_()
        else:
            self._note(f"asked for {route.request.url[:200]}")
            route.abort()

    def _note(self, complaint: str) -> None:
        self.complaints.append(complaint)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._note(f"console {message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _failed(self, request: Request) -> None:
        # Chromium calls a request aborted whose page was left: that is no fault of the page.
        if request.failure != "net::ERR_ABORTED":
            self._note(f"request failed: {request.url[:200]} ({request.failure})")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.status} for {response.url}")


@pytest.fixture
def watch() -> Watch:
    """What went wrong so far; a test that provokes a complaint takes it out of `complaints`."""
    return Watch()


@pytest.fixture
def visit(chromium: Browser, watch: Watch) -> Iterator[Visit]:
    """Opens a file or a URL, and fails the test afterwards if a page did what it may not."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.route("**/*", watch.gate)
    context.on("page", watch)

    def open_page(where: Path | str, *, phone: bool = False) -> Page:
        page = context.new_page()
        page.set_default_timeout(10_000)
        if phone:
            page.set_viewport_size({"width": 390, "height": 844})
        page.goto(where.as_uri() if isinstance(where, Path) else where, wait_until="networkidle")
        return page

    yield open_page
    for page in context.pages:
        try:
            page.wait_for_load_state("networkidle")
        except Error as error:
            watch.complaints.append(str(error))
    context.close()
    assert watch.complaints == []


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Answers quietly, with the policy that Airflow's pages come under."""

    def __init__(self, *args: Any, policy: str, **kwargs: Any) -> None:
        self._policy = policy
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self._policy)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves folders on this machine under a policy: the address of each, without a slash at its end."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path, *, policy: str) -> str:
        handler = functools.partial(_Handler, directory=str(folder), policy=policy)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
