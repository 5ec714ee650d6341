"""A corpus whose every phrase is hostile, committed to a real bucket: its reports are inert."""

import json
import re
from collections.abc import Callable

import jsonschema
import pytest

from phrasemill.closing import close_night, corpus_report, night_report, report_files
from phrasemill.errors import NightIncomplete
from phrasemill.report.schema import summary_schema
from phrasemill.rules import BROKEN
from phrasemill.steps import Workplace
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.hostile import HOSTILE, commit_hostile_corpus, hostile_spec
from tests.servers import S3Server
from tests.test_report import Page

FILES: dict[str, Callable[[Workplace], dict[str, bytes]]] = {
    "night": lambda place: report_files(night_report(place, label=HOSTILE[0], night=None, shards=[0, 1, 2, 3])),
    "corpus": lambda place: report_files(corpus_report(place)),
}


@pytest.fixture(scope="module")
def place(s3_server: S3Server) -> Workplace:
    bucket = Bucket(s3_server.client(s3_server.endpoint), s3_server.new_bucket(s3_server.endpoint))
    store = CorpusStore(bucket, hostile_spec())
    commit_hostile_corpus(store)
    return Workplace(store.spec, store, run_id=HOSTILE[2])


@pytest.fixture(scope="module", params=FILES)
def files(request: pytest.FixtureRequest, place: Workplace) -> dict[str, bytes]:
    return FILES[request.param](place)


class TestPage:
    def test_it_has_no_element_and_no_attribute_of_theirs(self, files: dict[str, bytes]) -> None:
        page = Page(files["report.html"].decode())
        assert not {"script", "img", "a", "iframe", "form", "object", "embed", "link", "textarea"} & set(page.elements)
        assert page.elements.count("h1") == page.elements.count("main") == page.elements.count("style") == 1
        names = {name for name, _ in page.attributes}
        assert not {name for name in names if name.startswith("on")}
        assert not {"src", "href", "style", "srcset", "action", "formaction"} & names

    def test_it_has_no_character_that_deceives(self, files: dict[str, bytes]) -> None:
        assert not BROKEN.search(files["report.html"].decode())

    def test_no_text_of_theirs_begins_like_a_formula(self, files: dict[str, bytes]) -> None:
        assert b"HYPERLINK" in files["report.html"]
        assert not re.search(r"<bdi>\s*[=+@-]", files["report.html"].decode())

    def test_a_word_of_ten_kilobytes_is_cut(self, files: dict[str, bytes]) -> None:
        assert b"W" * 1000 in files["report.html"]
        assert b"W" * 1001 not in files["report.html"]


class TestSummary:
    def test_it_keeps_to_its_schema(self, files: dict[str, bytes]) -> None:
        jsonschema.validate(json.loads(files["summary.json"]), json.loads(summary_schema()))

    def test_it_can_stand_in_a_page_and_on_a_terminal(self, files: dict[str, bytes]) -> None:
        text = files["summary.json"].decode()
        assert not re.search("[<>&]", text)
        assert not BROKEN.search(text)

    def test_its_values_are_the_texts_themselves(self, files: dict[str, bytes]) -> None:
        summary = json.loads(files["summary.json"])
        assert summary["title"] == HOSTILE[0]
        assert any("\u202e" in phrase["text"] for phrase in summary["sample"])
        assert max(phrase["chars"] for phrase in summary["sample"]) > 10_000
        assert max(len(phrase["text"]) for phrase in summary["sample"]) == 1000


class TestClosing:
    def test_the_night_is_reported_although_a_shard_is_missing(self, place: Workplace) -> None:
        with pytest.raises(NightIncomplete, match=r"1 of 2 shards missing \(2\), in quarantine"):
            close_night(place, label="2026-11-01", night=0, shards=[0, 2])
        assert place.store.bucket.get(place.store.keys.report("2026-11-01", "report.html"))

    def test_the_next_night_is_compared_with_it(self, place: Workplace) -> None:
        close_night(place, label="2026-11-01", night=0, shards=[0])
        close_night(place, label="2026-11-02", night=1, shards=[1])
        key = place.store.keys.report("2026-11-02", "summary.json")
        trend = json.loads(place.store.bucket.get(key) or b"")["trend"]
        assert [point["date"] for point in trend] == ["2026-11-01", "2026-11-02"]

    def test_a_summary_of_another_version_is_passed_over(
        self, place: Workplace, caplog: pytest.LogCaptureFixture
    ) -> None:
        place.store.bucket.put(place.store.keys.report("2026-10-31", "summary.json"), b'{"format": 1}')
        summary = night_report(place, label="2026-11-02", night=1, shards=[1])
        assert "2026-10-31" not in [point.date for point in summary.trend]
        assert "is of another version and is not compared with" in caplog.text

    def test_the_same_night_shows_the_same_phrases(self, place: Workplace) -> None:
        looks = [night_report(place, label="2026-11-01", night=0, shards=[0, 1]).sample for _ in range(2)]
        assert looks[0] == looks[1]
