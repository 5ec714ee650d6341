"""The watch of these tests itself: what it must not miss."""

from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.chromium import Watch

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("body", "noticed"),
    [
        ("<img src='https://example.invalid/x.png'>", "asked for https://example.invalid/x.png"),
        ("<link rel=stylesheet href='https://example.invalid/x.css'>", "asked for https://example.invalid/x.css"),
        ("<script>fetch('http://example.invalid/x').catch(() => 0)</script>", "asked for http://example.invalid/x"),
        ("<script>throw new Error('broken')</script>", "uncaught error: broken"),
        ("<script>console.error('sorry')</script>", "console error: sorry"),
        ("<script>alert('hello')</script>", "dialog: hello"),
        ("<img src='not-there.png'>", "request failed"),
    ],
)
def test_it_notices(tmp_path: Path, visit: Visit, watch: Watch, body: str, noticed: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html>{body}", encoding="utf-8")
    visit(page)
    assert any(noticed in complaint for complaint in watch.complaints), watch.complaints
    watch.complaints.clear()
