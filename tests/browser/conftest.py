"""Pages in Chromium with the network blocked; a test fails on anything that a page asks of elsewhere or complains of.

`visit` opens a page (a file or an address of this machine) and gives it back. Whatever happens on any page of the
test is watched: requests that leave the machine or fail, answers of 400 and above, errors on the console, uncaught
errors, dialogs, windows that open.
"""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.chromium import Watch, chromium

__all__ = ["chromium"]  # a fixture of these tests

Visit = Callable[..., Page]


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
