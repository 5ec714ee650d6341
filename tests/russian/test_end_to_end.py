"""3,000 Russian phrases from prompt to release, hard sentences among them; bytes are never taken for characters."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from phrasemill import closing
from phrasemill.corpus_file import load_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.run import run_release
from phrasemill.rows import decode_rows
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace, generate, preflight, publish, validate
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.verify import verify
from tests.grinding import QUICK
from tests.servers import S3Server
from tests.specs import merged

ROOT = Path(__file__).parents[2]
HARD = ROOT / "tests/texts/hard_ru.txt"
SHARDS = 3
MOJIBAKE = ("Ð", "Ñ", "Рџ", "\\u04", "&#10", "\ufffd")


def small(spec: CorpusSpec) -> CorpusSpec:
    """The shipped corpus in small: all templates, lexicons, rules and gate settings are its own."""
    changes = {
        "target_phrases": 2000,
        "oversample": 0.5,
        "shard_phrases": 1000,
        "block_phrases": 250,
        "model": {"name": "fake-model"},
        "schedule": {"shards_per_night": SHARDS},
    }
    return CorpusSpec.model_validate(merged(spec.model_dump(mode="json"), changes))


@pytest.fixture(scope="module")
def place(s3_server: S3Server) -> Workplace:
    """A corpus of three committed shards."""
    spec = small(load_corpus(ROOT / "include/corpora/hyperphrases_ru.yaml"))
    bucket = Bucket(s3_server.client(s3_server.endpoint), s3_server.new_bucket(s3_server.endpoint))
    modes = ("sentences", "refusals", "wrong_language")
    with FakeEngineProcess(text="good_ru", bad_modes=modes, bad_share=0.2, sentences=HARD, seed=5) as engine:
        place = Workplace(spec, CorpusStore(bucket, spec), (engine.url,), run_id="run-1", patience=QUICK)
        preflight(place)
        for shard in range(SHARDS):
            generate(place, shard)
            validate(place, shard)
            publish(place, shard)
    return place


@pytest.fixture(scope="module")
def texts(place: Workplace) -> list[str]:
    manifests = place.store.manifests(range(SHARDS))
    contents = [place.store.bucket.get(manifest.data_key) or b"" for manifest in manifests]
    tables = [decode_rows(content, source="data")[0] for content in contents]
    return [text for table in tables for text in table.column("text").to_pylist()]


def sizes(texts: list[str]) -> tuple[int, int]:
    """Characters and UTF-8 bytes."""
    return sum(map(len, texts)), sum(len(text.encode()) for text in texts)


class TestCommitted:
    def test_all_phrases_are_russian_and_whole(self, texts: list[str]) -> None:
        assert len(texts) == 3000
        assert all(50 <= len(text) <= 160 for text in texts)
        assert not [text for text in texts if any(mark in text for mark in MOJIBAKE)]

    def test_every_hard_sentence_came_through_as_it_was_written(self, texts: list[str]) -> None:
        assert set(HARD.read_text("utf-8").splitlines()) <= set(texts)

    def test_it_is_proved_whole_from_its_bucket(self, place: Workplace) -> None:
        found = verify(place.store, deep=True)
        assert (found.committed, found.phrases, found.findings) == (SHARDS, 3000, [])


class TestReport:
    def test_characters_and_bytes_are_told_apart(self, place: Workplace, texts: list[str]) -> None:
        summary = json.loads(closing.corpus_report(place).as_json())
        assert (summary["chars"], summary["text_bytes"]) == sizes(texts)
        assert 1.75 < summary["text_bytes"] / summary["chars"] < 1.9

    def test_its_page_shows_russian_as_russian(self, place: Workplace) -> None:
        page = closing.report_files(closing.corpus_report(place))["report.html"].decode("utf-8")
        assert '<meta charset="utf-8">' in page.lower()
        assert "Гиперфразы, русский" in page
        assert not [mark for mark in ("Ð", "Рџ", "\ufffd") if mark in page]


class TestRelease:
    def test_it_holds_the_target_in_unique_phrases_and_counts_them_rightly(self, place: Workplace) -> None:
        manifest = run_release(place.store, "v1")
        root = ReleaseKeys.of(place.store.keys.root, "v1").root
        contents = {entry.key: place.store.bucket.get(entry.key) or b"" for entry in place.store.bucket.entries(root)}
        tables = [pq.read_table(io.BytesIO(contents[key])) for key in contents if f"{root}data/" in key]
        released = [text for table in tables for text in table.column("text").to_pylist()]
        assert len(released) == len(set(released)) == manifest.phrases == 2000
        assert (manifest.chars, manifest.text_bytes) == sizes(released)
        assert any("hyperphrases_ru" in contents[key].decode("utf-8") for key in contents if key.endswith("README.md"))


def test_a_gigabyte_of_russian_is_some_550_million_characters() -> None:
    command = [str(Path(sys.executable).with_name("phrasemill")), "forecast", "--target", "1 GB", "--language", "ru"]
    answer = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(answer.stdout)["forecast"]
    assert found["text_bytes"]["likely"] == pytest.approx(1e9)
    assert found["chars"]["low"] < 5.5e8 < found["chars"]["high"]
