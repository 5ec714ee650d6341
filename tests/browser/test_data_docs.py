"""Data Docs in Chromium: usable with the network blocked, from a folder and from a server, and inert."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from phrasemill.gate.verdict import FailingRow
from phrasemill.report.data_docs import CONTENT_POLICY, build_data_docs, judged_shards
from tests.browser.conftest import Visit, Watch
from tests.hostile import HOSTILE, hostile_spec
from tests.verdicts import make_manifest, make_quarantined, make_summary, make_verdict

pytestmark = pytest.mark.browser
SHARDS = 30


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty shards: one in quarantine over hostile rows, one with a warning."""
    spec = hostile_spec()
    folder = tmp_path_factory.mktemp("night") / "data_docs"
    folder.mkdir()
    (folder.parent / "report.html").write_text("<!doctype html><title>Night report</title>", encoding="utf-8")
    samples = [
        FailingRow(expectation="language", why=text[:40], phrase_id=number, text=text)
        for number, text in enumerate(HOSTILE)
    ]
    worst = make_verdict(failed=["language", "mean length"], observed=" ".join(HOSTILE)[:400], samples=samples)
    manifests = [make_manifest(spec, number, make_verdict()) for number in range(SHARDS - 1)]
    manifests[7] = make_manifest(spec, 7, make_verdict(warned=["mean length"]))
    held = [make_quarantined(SHARDS - 1, worst)]
    build_data_docs(make_summary(spec, manifests, held), judged_shards(manifests, held), folder=folder)
    return folder


@pytest.fixture(params=["folder", "server"])
def index(request: pytest.FixtureRequest, site: Path, visit: Visit, serve: Callable[..., str]) -> Page:
    """The first page, opened as a file and from a server."""
    if request.param == "folder":
        return visit(site / "index.html")
    return visit(serve(site.parent, policy=CONTENT_POLICY) + "/data_docs/index.html")


def visible_rows(page: Page, table: str) -> list[str]:
    return [row.inner_text() for row in page.locator(f"{table} > tbody > tr").all() if row.is_visible()]


class TestIndex:
    def test_table_has_the_night_and_the_worst_first_in_pages_of_25(self, index: Page) -> None:
        rows = visible_rows(index, "table")
        assert len(rows) == 25
        assert [row.split("\t")[0] for row in rows[:3]] == ["all shards", f"shard {SHARDS - 1}", "shard 7"]
        index.locator(".page-link", has_text="2").click()
        assert len(visible_rows(index, "table")) == SHARDS + 1 - 25

    def test_search_and_filter_find_rows(self, index: Page) -> None:
        index.get_by_label("Search", exact=True).press_sequentially("quarantine")
        expect(index.locator("tbody tr")).to_have_count(1)
        index.get_by_label("Search", exact=True).clear()
        index.keyboard.press("Backspace")
        index.locator("select.bootstrap-table-filter-control-outcome").select_option("failed")
        expect(index.locator("tbody tr")).to_have_count(2)

    def test_sorting_turns_the_table_round(self, index: Page) -> None:
        index.get_by_text("Time (UTC)").click()
        assert visible_rows(index, "table")[0].startswith(f"shard {SHARDS - 1}")

    def test_a_click_anywhere_in_a_row_opens_its_page(self, index: Page) -> None:
        index.locator("tbody tr", has_text="in quarantine").locator("td").nth(2).click()
        index.wait_for_url("**/shard-00029.html")
        expect(index.get_by_role("heading", name="Shard 29", exact=True)).to_be_visible()

    def test_links_lead_to_a_page_back_and_to_the_report(self, index: Page) -> None:
        index.get_by_role("link", name="all shards").click()
        index.wait_for_url("**/all-shards.html")
        index.get_by_role("link", name=f"shard {SHARDS - 1}").first.click()
        index.wait_for_url("**/shard-00029.html")
        index.get_by_role("link", name="Data Docs").click()
        index.wait_for_url("**/index.html")
        index.get_by_role("link", name="Night report").click()
        index.wait_for_url("**/report.html")


class TestPageOfAShard:
    @pytest.fixture
    def page(self, site: Path, visit: Visit) -> Page:
        return visit(next(site.rglob("shard-00029.html")))

    def test_tables_have_a_row_for_each_expectation(self, page: Page) -> None:
        expect(page.locator(".docs-verdict > tbody > tr")).to_have_count(4)
        expect(page.get_by_role("img", name="failed")).to_have_count(2)
        expect(page.get_by_role("img", name="holds")).to_have_count(2)

    def test_failed_only_leaves_what_failed(self, page: Page) -> None:
        page.get_by_label("failed only").check()
        rows = [row for row in page.locator(".docs-verdict > tbody > tr").all() if row.is_visible()]
        assert len(rows) == 2
        expect(page.get_by_role("heading", name="phrase_id")).to_be_hidden()
        page.get_by_label("all", exact=True).check()
        expect(page.get_by_role("heading", name="phrase_id")).to_be_visible()

    def test_more_about_the_run_unfolds(self, page: Page) -> None:
        expect(page.get_by_text("Run Time")).to_be_hidden()
        page.get_by_text("Show more info").click()
        expect(page.get_by_text("Run Time")).to_be_visible()

    def test_nothing_is_wider_than_a_phone(self, site: Path, visit: Visit) -> None:
        for name in ("shard-00029", "all-shards", "index"):
            page = visit(next(site.rglob(f"{name}.html")), phone=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


class TestHostileTextIsInert:
    def test_it_is_text_and_does_nothing(self, site: Path, visit: Visit) -> None:
        for name in ("index", "all-shards", "shard-00029"):
            page = visit(next(site.rglob(f"{name}.html")))
            assert page.title() != "stolen"
            assert page.locator("main :is(img, svg, iframe, script, h1)").count() == 0

    def test_searching_for_it_finds_text_only(self, site: Path, visit: Visit) -> None:
        page = visit(site / "index.html")
        page.get_by_label("Search", exact=True).press_sequentially(HOSTILE[1])
        expect(page.get_by_text("No matching records found")).to_be_visible()
        assert page.title() != "stolen"

    def test_policy_stops_what_would_run_all_the_same(self, site: Path, visit: Visit, watch: Watch) -> None:
        page = visit(site / "index.html")
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", HOSTILE[1])
        page.wait_for_timeout(200)
        assert page.title() != "stolen"
        assert any("Content Security Policy" in complaint for complaint in watch.complaints)
        assert not any(complaint.startswith("asked for") for complaint in watch.complaints)
        watch.complaints.clear()
