"""The pages of `phrasemill browse` in Chromium: read by mouse and by keyboard, wide and on a phone, light and dark."""

import re
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import expect

from phrasemill.browse.files import FolderFiles
from phrasemill.browse.reader import ReleaseReader
from phrasemill.browse.server import browse_app, listen
from tests.browse.releases import browse_spec, phrases_of, write_release
from tests.browser.conftest import Visit
from tests.e2e.airflow_ui import accessibility, fits
from tests.hostile import HOSTILE

pytestmark = pytest.mark.browser

PAGES = ["?seed=1", "/phrase?id=41", "/phrase?id=9", "/scene?scene=9", "/lexeme?slot=trade&lexeme=a+diver"]
PAGES += ["/word?q=story+diver", "/walk?id=41&seed=3"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A release, served; its first phrases are hostile, its others name their lexemes."""
    named = {row["phrase_id"]: row["text"] for row in phrases_of(browse_spec(), 300).to_pylist()}
    texts = [*HOSTILE, *(named.get(number, "left out") for number in range(len(HOSTILE), 300))]
    folder = write_release(tmp_path_factory.mktemp("hypertext"), phrases_of(browse_spec(), 300, texts))
    app = browse_app(ReleaseReader(FolderFiles(folder), threads=1), token="t")
    with listen(0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/t"
        server.should_exit = True
        thread.join()


def test_a_lexeme_in_a_phrase_leads_to_others_that_have_it(visit: Visit, home: str) -> None:
    page = visit(f"{home}/phrase?id=41")
    lexeme = page.locator(".phrase a.lexeme").first
    name = lexeme.inner_text()
    lexeme.click()
    expect(page.locator("h1")).to_contain_text(name)
    page.locator("ol.led a.text").nth(1).click()
    expect(page.locator(".phrase a.lexeme").filter(has_text=name)).to_be_visible()


def test_the_keyboard_leads_on(visit: Visit, home: str) -> None:
    page = visit(f"{home}/phrase?id=41")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Word").focus()
    page.keyboard.type("diver story")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("diver story")
    page.get_by_role("link", name="Any phrase").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/phrase\?id=\d+$"))


def test_hostile_phrases_are_text(visit: Visit, home: str) -> None:
    for number in range(len(HOSTILE)):
        page = visit(f"{home}/phrase?id={number}")
        assert "stolen" not in page.title()
        assert page.locator("main :is(img, iframe, script, svg)").count() == 0
        assert page.locator("h1").count() == 1
        page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_every_page_fits_and_is_accessible(visit: Visit, home: str, theme: str, phone: bool) -> None:
    for path in PAGES:
        page = visit(home + path, phone=phone)
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
        assert fits(page.main_frame), path
        assert accessibility(page.main_frame) == [], path
        page.close()
