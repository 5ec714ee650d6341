"""A night of hostile phrases through the real gate: its report and its Data Docs in Chromium, as they are published."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from phrasemill.closing import NightRecords, night_report, report_files
from phrasemill.report.data_docs import publish_data_docs
from phrasemill.steps import Workplace
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.browser.conftest import Visit
from tests.hostile import commit_hostile_corpus, hostile_spec
from tests.servers import S3Server

pytestmark = pytest.mark.browser
LABEL = "2026-11-01"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Path:
    """What lies under reports/<date>/ in the bucket, as a folder."""
    client = s3_server.client(s3_server.endpoint)
    store = CorpusStore(Bucket(client, s3_server.new_bucket(s3_server.endpoint)), hostile_spec())
    commit_hostile_corpus(store)
    summary = night_report(Workplace(spec=store.spec, store=store), label=LABEL, night=0, shards=[0, 1, 2])
    folder = tmp_path_factory.mktemp("night")
    for name, content in report_files(summary).items():
        (folder / name).write_bytes(content)
    publish_data_docs(store, summary, NightRecords.read(store, [0, 1, 2]).judged())
    prefix = store.keys.report(LABEL, "")
    for entry in store.bucket.entries(prefix):
        path = folder / entry.key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.bucket.get(entry.key) or b"")
    return folder


@pytest.mark.parametrize("phone", [False, True], ids=["screen", "phone"])
def test_report_shows_it_as_text(night: Path, visit: Visit, phone: bool) -> None:
    page = visit(night / "report.html", phone=phone)
    assert page.title() != "stolen"
    assert page.locator(":is(img, iframe, script, svg[onload])").count() == 0
    expect(page.get_by_text("<script>document.title = 'stolen'</script>").first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_page_of_data_docs_shows_it_as_text(night: Path, visit: Visit) -> None:
    pages = sorted((night / "data_docs").rglob("*.html"))
    assert {path.stem for path in pages} >= {"index", "all-shards", "shard-00000", "shard-00001", "shard-00002"}
    for path in pages:
        page = visit(path)
        assert page.title() != "stolen"
        assert page.locator("main :is(img, svg, iframe, script, h1)").count() == 0
        page.close()


def test_failing_rows_are_shown_with_their_reasons(night: Path, visit: Visit) -> None:
    page = visit(next((night / "data_docs").rglob("shard-00002.html")))
    expect(page.locator(".docs-examples").first).to_be_visible()
    expect(page.locator(".docs-examples").get_by_text("<script>").first).to_be_visible()
