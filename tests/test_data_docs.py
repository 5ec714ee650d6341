"""Data Docs as files: what is in them, and that nothing of it comes from elsewhere or runs."""

import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest

from phrasemill.gate.verdict import FailingRow, Verdict
from phrasemill.manifest import Acceptance
from phrasemill.report.data_docs import CONTENT_TYPES, build_data_docs, judged_shards, publish_data_docs
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.hostile import HOSTILE
from tests.servers import S3Server
from tests.specs import make_spec
from tests.verdicts import NAMES, NOW, make_manifest, make_quarantined, make_summary, make_verdict

ADDRESS = re.compile(r"(?:https?:)?//[\w-]+(?:\.[\w-]+)+[^\s\"'`)]*")
LOADED_BY = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
# Text in the vendored scripts that names a place and asks nothing of it.
NAMED_ONLY = re.compile(r"https://popper\.js\.org|https://github\.com/zloirock/core-js\S*|http://www\.w3\.org/\S*")


class Markup(HTMLParser):
    """What a page is made of."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.lasttag == "script" and data.strip():
            self.scripts.append(data)
        self.text += data


@pytest.fixture(scope="module")
def spec() -> CorpusSpec:
    return make_spec()


def rows(texts: list[str]) -> Iterator[FailingRow]:
    for number, text in enumerate(texts):
        yield FailingRow(expectation="language", why=f"reads as {text[:30]}", phrase_id=number, text=text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, spec: CorpusSpec) -> Path:
    """A night of a good shard, one that warns, one that failed and was mended, and one in quarantine."""
    folder = tmp_path_factory.mktemp("site")
    worst = make_verdict(failed=["language", "mean length"], observed=HOSTILE[0] + HOSTILE[4], samples=rows(HOSTILE))
    manifests = [
        make_manifest(spec, 0, make_verdict()),
        make_manifest(spec, 1, make_verdict(warned=["mean length"])),
        make_manifest(spec, 2, make_verdict()),
    ]
    held = [make_quarantined(2, make_verdict(failed=["language"])), make_quarantined(3, worst)]
    build_data_docs(make_summary(spec, manifests, held), judged_shards(manifests, held), folder=folder)
    return folder


def page_of(folder: Path, stem: str) -> Markup:
    return Markup(next(folder.rglob(f"{stem}.html")))


class TestPages:
    def test_every_verdict_has_one_and_the_night_too(self, site):
        names = sorted(path.stem for path in site.rglob("*.html"))
        assert names == [
            "all-shards",
            "index",
            "shard-00000",
            "shard-00001",
            "shard-00002",
            "shard-00002",
            "shard-00003",
        ]

    def test_index_has_the_night_first_then_the_worst(self, site):
        index = Markup(site / "index.html")
        linked = [value for tag, name, value in index.attributes if (tag, name) == ("tr", "data-href")]
        assert [Path(path).stem for path in linked] == [
            "all-shards", "shard-00003", "shard-00002", "shard-00001", "shard-00000", "shard-00002",
        ]  # fmt: skip
        assert "Each of the night's 5 verdicts has a page" in index.text

    def test_every_link_and_file_is_there(self, site):
        for page in site.rglob("*.html"):
            for _, name, value in Markup(page).attributes:
                if name in {"href", "src", "data-href"} and not value.startswith(("#", "data:")):
                    target = (page.parent / value).resolve()
                    assert target.is_file() or target == site.parent / "report.html", value

    def test_page_of_a_shard_shows_each_expectation_with_its_limit_and_what_was_found(self, site):
        page = page_of(site, "shard-00001")
        assert all(name in page.text for name in NAMES)
        assert "limit: at most 5" in page.text
        assert "12 of 60 outside" in page.text
        assert ("i", "aria-label", "warning") in page.attributes

    def test_page_of_a_failed_shard_shows_failing_rows_with_their_reasons(self, site):
        page = page_of(site, "shard-00003")
        assert "phrase 5 (reads as =HYPERLINK" in page.text
        assert "in quarantine" in page.text

    def test_page_of_the_night_leads_to_the_shards_that_failed(self, site):
        night = page_of(site, "all-shards")
        links = [value for tag, name, value in night.attributes if (tag, name) == ("a", "href")]
        assert any(link.endswith("/shard-00003.html") for link in links)
        assert "fails in 1 of 5; in shard 3" in night.text

    def test_a_night_with_nothing_judged_has_an_index(self, tmp_path, spec):
        build_data_docs(make_summary(spec, []), [], folder=tmp_path)
        assert sorted(path.stem for path in tmp_path.rglob("*.html")) == ["all-shards", "index"]


class TestManyVerdicts:
    def test_the_worst_have_pages_and_the_index_says_what_is_left_out(self, tmp_path, spec):
        manifests = [make_manifest(spec, number, make_verdict()) for number in range(8)]
        manifests[6] = make_manifest(spec, 6, make_verdict(warned=["language"]))
        held = [make_quarantined(8, make_verdict(failed=["language"]))]
        judged = judged_shards(manifests, held)
        build_data_docs(make_summary(spec, manifests, held), judged, folder=tmp_path, max_pages=3)
        names = {path.stem for path in tmp_path.rglob("*.html")}
        assert names == {"index", "all-shards", "shard-00000", "shard-00006", "shard-00008"}
        assert (
            "9 verdicts; the worst 3 have a page here. The other 6 are counted" in Markup(tmp_path / "index.html").text
        )

    def test_an_accepted_shard_is_told_once_with_the_reason(self, tmp_path, spec):
        held = make_quarantined(1, make_verdict(failed=["language"]))
        accepted = Acceptance(by="ana", at=NOW, reason="names of towns", failed=("language",), quarantine_key=held.key)
        manifest = make_manifest(spec, 1, make_verdict(failed=["language"])).model_copy(update={"accepted": accepted})
        (judged,) = judged_shards([manifest], [held])
        build_data_docs(make_summary(spec, [manifest], [held]), [judged], folder=tmp_path)
        assert "accepted because: names of towns" in page_of(tmp_path, "shard-00001").text


class TestNothingComesFromElsewhere:
    def test_pages_load_files_beside_them_only(self, site):
        for page in site.rglob("*.html"):
            markup = Markup(page)
            loaded = [value for tag, name, value in markup.attributes if LOADED_BY.get(tag) == name]
            assert loaded
            assert all(value.startswith("data:,") or not ADDRESS.match(value) for value in loaded), page
            for _, name, value in markup.attributes:
                assert name not in {"srcset", "ping", "action", "background"}
                assert name in {"href", "content"} or "url(" not in value

    def test_style_sheets_load_nothing_but_what_is_in_them(self, site):
        for sheet in site.rglob("*.css"):
            css = sheet.read_text(encoding="utf-8")
            assert "@import" not in css
            assert all(url.startswith("data:") for url in re.findall(r"url\(\s*[\"']?([^)\"']+)", css)), sheet.name

    def test_scripts_have_no_address_in_them_that_they_could_ask(self, site):
        for script in site.rglob("*.js"):
            code = re.sub(r"/\*.*?\*/", "", script.read_text(encoding="utf-8"), flags=re.DOTALL)
            found = {match for match in ADDRESS.findall(code) if not NAMED_ONLY.match(match)}
            assert found == set(), script.name

    def test_no_page_has_a_link_to_a_site(self, site):
        for page in site.rglob("*.html"):
            assert not [v for _, name, v in Markup(page).attributes if name == "href" and ADDRESS.match(v)]


class TestVendoredFiles:
    folder = resources.files("phrasemill.report").joinpath("vendor")

    def test_are_those_that_the_manifest_names(self):
        for entry in json.loads(self.folder.joinpath("manifest.json").read_text()):
            content = self.folder.joinpath(entry["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["file"]

    def test_none_is_without_a_licence(self):
        named = {entry["file"] for entry in json.loads(self.folder.joinpath("manifest.json").read_text())}
        assert {entry.name for entry in self.folder.iterdir()} == named | {"manifest.json", "NOTICE.txt"}
        notice = self.folder.joinpath("NOTICE.txt").read_text()
        assert all(word in notice for word in ("jQuery", "Bootstrap", "bootstrap-table", "Popper", "Font Awesome"))

    def test_are_small_and_all_go_with_the_site(self, site):
        copied = {path.name for path in (site / "static").iterdir()}
        assert copied >= {entry.name for entry in self.folder.iterdir()}
        assert sum(path.stat().st_size for path in (site / "static").iterdir()) < 600_000


class TestHostileTextIsInert:
    def test_it_makes_no_tag_and_no_attribute(self, site):
        page = page_of(site, "shard-00003")
        assert not {"img", "svg", "h1"} & set(page.tags[page.tags.index("main") :])
        assert not [name for _, name, _ in page.attributes if name.startswith("on")]

    def test_no_page_has_a_script_of_its_own(self, site):
        for path in site.rglob("*.html"):
            assert Markup(path).scripts == []

    def test_it_reads_as_it_was_written(self, site):
        text = page_of(site, "shard-00003").text
        assert all(phrase in text for phrase in HOSTILE if phrase.isprintable() and len(phrase) <= 1000)

    def test_invisible_and_turning_characters_are_spelled_out(self, site):
        text = page_of(site, "shard-00003").text
        assert "[U+202E]right to left[U+2066]" in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\ufeff\x00\x07\x1b]", text)

    def test_a_very_long_word_is_cut(self, site):
        assert "W" * 1001 not in page_of(site, "shard-00003").text


class TestPublishing:
    @pytest.fixture
    def store(self, s3_server: S3Server, spec: CorpusSpec) -> CorpusStore:
        client = s3_server.client(s3_server.endpoint)
        return CorpusStore(Bucket(client, s3_server.new_bucket(s3_server.endpoint)), spec)

    def commit(self, store: CorpusStore, number: int, verdict: Verdict) -> None:
        manifest = make_manifest(store.spec, number, verdict)
        store.bucket.put(store.keys.manifest(number), manifest.model_dump_json().encode())
        store.bucket.put(manifest.verdict_key, verdict.model_dump_json().encode())

    def publish(self, store: CorpusStore, numbers: list[int]) -> str:
        manifests = store.manifests(numbers)
        return publish_data_docs(store, make_summary(store.spec, manifests), judged_shards(manifests, []))

    def names(self, store: CorpusStore) -> set[str]:
        prefix = store.keys.report("2026-11-01", "data_docs/")
        return {entry.key.removeprefix(prefix) for entry in store.bucket.entries(prefix)}

    def test_site_lies_beside_the_report_with_failing_rows_from_the_whole_verdicts(self, store, tmp_path):
        self.commit(store, 0, make_verdict())
        self.commit(store, 1, make_verdict(warned=["language"], samples=rows(["Ein Satz."])))
        key = self.publish(store, [0, 1])
        assert key == store.keys.report("2026-11-01", "data_docs/index.html")
        names = self.names(store)
        assert {Path(name).suffix for name in names} <= set(CONTENT_TYPES)
        (page,) = [name for name in names if name.endswith("shard-00001.html")]
        content = store.bucket.get(store.keys.report("2026-11-01", f"data_docs/{page}"))
        assert content is not None
        assert b"phrase 0 (reads as Ein Satz.): Ein Satz." in content

    def test_publishing_again_leaves_no_page_of_before(self, store):
        self.commit(store, 0, make_verdict())
        self.publish(store, [0])
        before = self.names(store)
        stale = store.keys.report("2026-11-01", "data_docs/validations/gate/2026-11-01/old/shard-00007.html")
        store.bucket.put(stale, b"old")
        self.publish(store, [0])
        assert self.names(store) == before
