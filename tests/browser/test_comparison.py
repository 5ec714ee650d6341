"""A comparison whose every text is hostile, in Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from phrasemill.comparison.page import FILES
from tests.browser.conftest import Visit
from tests.comparison.test_page import hostile_comparison

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("phone", [False, True], ids=["screen", "phone"])
def test_the_page_shows_it_as_text(tmp_path: Path, visit: Visit, phone: bool) -> None:
    path = tmp_path / "comparison.html"
    path.write_text(FILES["comparison.html"](hostile_comparison()), encoding="utf-8")
    page = visit(path, phone=phone)
    assert page.title() != "stolen"
    assert page.locator(":is(img, iframe, script, svg)").count() == 0
    expect(page.get_by_text("<script>document.title = 'stolen'</script>").first).to_be_attached()
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
