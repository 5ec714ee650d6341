"""The index of shards: it saves reading, and whatever is wrong with it, nothing but that."""

import logging

import pytest

from phrasemill.closing import close_night
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import FingerprintMismatch, NightIncomplete, RecordUnreadable, StoreError
from phrasemill.facts import Facts
from phrasemill.forecast.calibration import calibration_key
from phrasemill.manifest import Acceptance, Manifest
from phrasemill.planning import shard_of
from phrasemill.repair import repair
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace, generate, publish, validate
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.shard_index import ShardEntry, committed_shards, read_index, refresh_index, write_index
from phrasemill.verify import verify
from tests.grinding import QUICK
from tests.servers import S3Server
from tests.snapshots import ago
from tests.specs import make_spec
from tests.store.rows import shard_rows
from tests.store.s3_proxy import S3Proxy


@pytest.fixture
def store(s3_server: S3Server, proxy: S3Proxy, spec: CorpusSpec) -> CorpusStore:
    """A corpus of four shards, seen through the proxy."""
    return CorpusStore(Bucket(s3_server.client(proxy.url), S3Server.new_bucket(s3_server.endpoint)), spec)


def commit(store: CorpusStore, shard: int, *, words: str = "morning", accepted: Acceptance | None = None) -> Manifest:
    planned = shard_of(store.spec, shard)
    facts = Facts(
        accepted=60,
        rejects={"echo": 5},
        examples={"echo": ["a", "b"]},
        prompt_tokens=4_000,
        completion_tokens=1_500,
        seconds=30.0,
        started_at=ago(40),
        finished_at=ago(10),
        engines=2,
    )
    rows = shard_rows(store.spec, planned, words=words)
    verdict = {"passed": True}
    return commit_shard(store, planned, rows, facts=facts, verdict=verdict, run_id="run-1", accepted=accepted)


def retract(store: CorpusStore, shard: int) -> None:
    store.bucket.delete([store.keys.manifest(shard)])


def manifests_read(proxy: S3Proxy) -> int:
    return len(proxy.statuses("GET", "/manifests/"))


class TestLines:
    def test_a_line_has_the_figures_of_its_manifest(self, store: CorpusStore) -> None:
        manifest = commit(store, 2)
        [entry] = committed_shards(store, {}).values()
        assert (entry.shard, entry.rows) == (2, 60)
        assert (entry.chars, entry.text_bytes) == (manifest.chars, manifest.text_bytes)
        assert (entry.data_key, entry.verdict_key) == (manifest.data_key, manifest.verdict_key)
        assert (entry.committed_at, entry.run_id, entry.by_hand) == (manifest.committed_at, "run-1", False)
        assert (entry.started_at, entry.finished_at, entry.seconds) == (ago(40), ago(10), 30.0)
        assert (entry.accepted, entry.judged, entry.rejects) == (60, 65, {"echo": 5})
        assert (entry.prompt_tokens, entry.completion_tokens, entry.engines) == (4_000, 1_500, 2)
        listed = [item.etag for item in store.bucket.entries(store.keys.manifests())]
        assert [entry.etag] == listed
        assert entry.etag

    def test_a_shard_accepted_from_quarantine_is_marked(self, store: CorpusStore) -> None:
        commit(store, 0, accepted=Acceptance(by="Ann", at=ago(0), reason="fine", failed=("x",), quarantine_key="k"))
        assert committed_shards(store, {})[0].by_hand

    def test_when_a_shard_was_written_leaves_out_a_pause(self, store: CorpusStore) -> None:
        commit(store, 0)
        [entry] = committed_shards(store, {}).values()
        assert entry.written == (ago(40), ago(10))
        assert entry.model_copy(update={"started_at": ago(90_000)}).written == (ago(40), ago(10))
        assert entry.model_copy(update={"started_at": None}).written is None

    def test_the_index_is_read_as_it_was_written(self, store: CorpusStore) -> None:
        for number in (3, 0):
            commit(store, number)
        refresh_index(store)
        assert list(read_index(store)) == [0, 3]
        assert read_index(store) == committed_shards(store, {})


class TestWhatItSaves:
    def test_known_manifests_are_not_read(self, store: CorpusStore, proxy: S3Proxy) -> None:
        for number in range(3):
            commit(store, number)
        known = committed_shards(store, {})
        commit(store, 3)
        proxy.seen.clear()
        assert list(committed_shards(store, known)) == [0, 1, 2, 3]
        assert manifests_read(proxy) == 1

    def test_a_manifest_that_was_taken_back_is_gone(self, store: CorpusStore) -> None:
        for number in range(2):
            commit(store, number)
        known = committed_shards(store, {})
        retract(store, 0)
        assert list(committed_shards(store, known)) == [1]

    def test_one_that_was_written_anew_is_read_again(self, store: CorpusStore) -> None:
        commit(store, 0)
        known = committed_shards(store, {})
        retract(store, 0)
        anew = commit(store, 0, words="evening")
        assert committed_shards(store, known)[0].data_key == anew.data_key != known[0].data_key

    def test_a_line_without_an_etag_is_not_trusted(self, store: CorpusStore, proxy: S3Proxy) -> None:
        manifest = commit(store, 0)
        forged = ShardEntry.of(manifest, etag="").model_copy(update={"rows": 10**9})
        assert committed_shards(store, {0: forged})[0].rows == 60
        other = ShardEntry.of(manifest, etag="another").model_copy(update={"rows": 10**9})
        assert committed_shards(store, {0: other})[0].rows == 60


class TestWhatItRefuses:
    def test_work_of_another_fingerprint_known_or_not(self, store: CorpusStore) -> None:
        commit(store, 0)
        known = committed_shards(store, {})
        changed = CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.5}))
        for lines in ({}, known):
            with pytest.raises(FingerprintMismatch, match=r"shard-00000.json was made from another version"):
                committed_shards(changed, lines)

    def test_a_manifest_that_is_none(self, store: CorpusStore) -> None:
        store.bucket.put(store.keys.manifest(1), b"{}")
        with pytest.raises(RecordUnreadable, match=r"shard-00001.json: is no manifest of this version"):
            committed_shards(store, {})


class TestTheIndexItself:
    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b'{"format": 2, "shards": []}', b'{"shards": [{"shard": 1}]}']
    )
    def test_one_that_cannot_be_read_is_as_good_as_none(
        self, store: CorpusStore, content: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.bucket.put(store.keys.index(), content)
        with caplog.at_level(logging.INFO, logger="phrasemill"):
            assert read_index(store) == {}
        [told] = caplog.messages
        assert told.endswith("all manifests are read instead: it is not of this version of phrasemill")

    def test_one_that_may_not_be_read_too(self, store: CorpusStore, proxy: S3Proxy) -> None:
        proxy.on("GET", "/index/", "forge", status=403)
        assert read_index(store) == {}

    def test_there_need_be_none(self, store: CorpusStore) -> None:
        assert read_index(store) == {}

    def test_verify_knows_it_and_does_not_mind_what_it_says(self, store: CorpusStore) -> None:
        commit(store, 0)
        refresh_index(store)
        retract(store, 0)
        commit(store, 0)
        write_index(store, [entry.model_copy(update={"shard": 3}) for entry in read_index(store).values()])
        store.bucket.put(calibration_key(store.keys.root), b"{}")
        store.record_spec()
        report = verify(store)
        assert (report.findings, report.waiting, report.committed) == ([], [], 1)

    def test_a_repair_that_takes_a_commit_back_makes_it_no_lie(self, store: CorpusStore) -> None:
        gone, kept = commit(store, 0), commit(store, 1)
        store.record_spec()
        refresh_index(store)
        store.bucket.delete([gone.data_key])
        repaired = repair(store, verify(store))
        assert repaired.left == []
        assert store.bucket.entry(store.keys.index())
        assert list(read_index(store)) == [0, 1]
        assert [entry.data_key for entry in committed_shards(store, read_index(store)).values()] == [kept.data_key]


class TestClosingANight:
    @pytest.fixture
    def place(self, store: CorpusStore, engine: FakeEngineProcess) -> Workplace:
        """Shard 0 is committed, as a night does it."""
        place = Workplace(store.spec, store, (engine.url,), run_id="run-1", patience=QUICK)
        for step in (generate, validate, publish):
            step(place, 0)
        return place

    def test_the_index_is_up_to_date_afterwards(self, place: Workplace) -> None:
        close_night(place, label="2026-11-01", night=0, shards=[0])
        assert read_index(place.store) == committed_shards(place.store, {})
        assert list(read_index(place.store)) == [0]

    def test_an_incomplete_night_leaves_one_too(self, place: Workplace) -> None:
        with pytest.raises(NightIncomplete):
            close_night(place, label="2026-11-01", night=0, shards=[0, 1])
        assert list(read_index(place.store)) == [0]

    def test_a_night_is_not_red_because_it_cannot_be_written(
        self, place: Workplace, proxy: S3Proxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxy.on("PUT", "/index/", "forge", status=403, count=None)
        with caplog.at_level(logging.WARNING):
            done = close_night(place, label="2026-11-01", night=0, shards=[0])
        assert done["phrases"] == 60
        assert proxy.statuses("PUT", "/index/") == [403]
        assert [
            record.message for record in caplog.records if "the index of shards is not up to date" in record.message
        ]
        with pytest.raises(StoreError):
            refresh_index(place.store)
