"""The commit: data, look, manifest, staging; once, in this order, whoever dies or races meanwhile."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from phrasemill.errors import CommitConflict, StoreError, StoreUnavailable
from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
from phrasemill.planning import shard_of
from phrasemill.rows import decode_rows
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging
from tests.specs import make_spec
from tests.store.conftest import Proxied
from tests.store.rows import shard_rows, stage


def commit(store: CorpusStore, *, words: str = "morning", run_id: str = "run-1", shard: int = 0) -> Manifest:
    planned = shard_of(store.spec, shard)
    rows = shard_rows(store.spec, planned, words=words)
    return commit_shard(store, planned, rows, facts=Facts(accepted=60), verdict={"passed": True}, run_id=run_id)


def keys(store: CorpusStore, prefix: str) -> list[str]:
    root = f"{store.keys.root}/"
    return [entry.key.removeprefix(root) for entry in store.bucket.entries(root + prefix)]


def assert_committed(store: CorpusStore, manifest: Manifest) -> pa.Table:
    """One manifest, one data object, and the one describes the other."""
    assert keys(store, "manifests/") == ["manifests/shard-00000.json"]
    assert keys(store, "shards/") == [manifest.data_key.removeprefix(f"{store.keys.root}/")]
    assert keys(store, "verdicts/") == [manifest.verdict_key.removeprefix(f"{store.keys.root}/")]
    content = store.bucket.get(manifest.data_key)
    assert content is not None
    assert hashlib.sha256(content).hexdigest() == manifest.data_sha256
    assert len(content) == manifest.data_bytes
    assert store.manifest(0) == manifest
    rows, _ = decode_rows(content, source="data")
    assert rows.column("phrase_id").to_pylist() == list(range(60))
    return rows


class TestOrder:
    def test_data_is_put_and_looked_at_before_the_manifest_and_staging_goes_last(
        self, proxied: Proxied, store: CorpusStore
    ) -> None:
        stage(store)
        manifest = commit(proxied.store)
        root = f"/{store.bucket.name}/"
        changes = [
            (method, path.removeprefix(root))
            for method, path, status in proxied.proxy.seen
            if (method != "GET" or "/shards/" in path) and status != 501  # of a server without conditional puts
        ]
        data, judged, record = manifest.data_key, manifest.verdict_key, store.keys.manifest(0)
        assert changes[:4] == [("PUT", data), ("GET", data), ("PUT", judged), ("PUT", record)]
        assert {method for method, _ in changes[4:]} == {"DELETE"}
        assert all("/staging/00000/" in path for _, path in changes[4:])
        assert len(changes[4:]) == 3
        assert_committed(store, manifest)

    def test_the_manifest_tells_what_was_committed(self, store: CorpusStore) -> None:
        manifest = commit(store)
        rows = assert_committed(store, manifest)
        texts = rows.column("text").to_pylist()
        assert (manifest.corpus, manifest.shard, manifest.first_id, manifest.rows) == ("tiny", 0, 0, 60)
        assert manifest.chars == sum(map(len, texts))
        assert manifest.text_bytes == sum(len(text.encode()) for text in texts)
        assert manifest.fingerprint == store.fingerprint
        assert (manifest.verdict, manifest.run_id, manifest.facts.accepted) == ({"passed": True}, "run-1", 60)
        assert manifest.data_key.endswith(f"shards/shard-00000-{manifest.data_sha256[:12]}.parquet")
        assert manifest.committed_at.utcoffset() is not None

    def test_the_whole_verdict_lies_beside_the_manifest_which_keeps_it_without_samples(
        self, store: CorpusStore
    ) -> None:
        verdict = {"passed": True, "metrics": {"rows": 60}, "samples": [{"text": "Лампа."}]}
        planned = shard_of(store.spec, 0)
        rows = shard_rows(store.spec, planned)
        manifest = commit_shard(store, planned, rows, facts=Facts(accepted=60), verdict=verdict, run_id="run-1")
        assert manifest.verdict == {"passed": True, "metrics": {"rows": 60}}
        assert json.loads(store.bucket.get(manifest.verdict_key) or b"") == verdict

    def test_the_commit_is_what_is_listed(self, store: CorpusStore) -> None:
        assert store.committed() == []
        commit(store, shard=3)
        commit(store)
        assert store.committed() == [0, 3]
        assert [manifest.shard for manifest in store.manifests([3, 2, 1, 0])] == [3, 0]


class TestAgain:
    def test_a_second_commit_changes_nothing_and_returns_the_first(self, proxied: Proxied, store: CorpusStore) -> None:
        first = commit(store)
        stage(store)
        second = commit(proxied.store, words="evening", run_id="run-2")
        assert second == first
        assert proxied.proxy.statuses("PUT") == []
        assert keys(store, "staging/") == []
        assert_committed(store, first)

    def test_after_a_death_between_data_and_manifest(self, proxied: Proxied, store: CorpusStore) -> None:
        stage(store)
        proxied.proxy.on("PUT", "/manifests/", "forge", status=403)
        with pytest.raises(StoreError):
            commit(proxied.store)
        assert store.committed() == []
        assert len(keys(store, "shards/")) == 1
        assert len(keys(store, "staging/")) == 3  # nothing is lost yet
        assert_committed(store, commit(store))
        assert keys(store, "staging/") == []

    def test_after_a_death_between_manifest_and_staging(self, proxied: Proxied, store: CorpusStore) -> None:
        stage(store)
        proxied.proxy.on("DELETE", "/staging/", "forge", status=403)
        with pytest.raises(StoreError):
            commit(proxied.store)
        first = store.manifest(0)
        assert first is not None
        assert len(keys(store, "staging/")) == 3
        assert commit(store) == first
        assert keys(store, "staging/") == []

    @pytest.mark.usefixtures("conditional_puts")
    def test_after_a_manifest_whose_answer_was_lost(self, proxied: Proxied, store: CorpusStore) -> None:
        proxied.proxy.on("PUT", "/manifests/", "lose")
        manifest = commit(proxied.store)
        assert proxied.proxy.statuses("PUT", "/manifests/") == [0, 412]
        assert_committed(store, manifest)

    def test_data_that_reads_back_otherwise_is_not_committed(self, proxied: Proxied, store: CorpusStore) -> None:
        stage(store)
        proxied.proxy.on("GET", "/shards/", "spoil", count=3)
        with pytest.raises(StoreUnavailable, match="what was read back differs") as error:
            commit(proxied.store)
        assert error.value.retryable
        assert store.committed() == []
        assert len(keys(store, "staging/")) == 3
        assert_committed(store, commit(proxied.store))


class TestRace:
    def race(self, proxied: Proxied, *words: str) -> list[Manifest]:
        """Commit in as many threads, all of which have put their data before one puts its manifest."""
        barrier = threading.Barrier(len(words))
        proxied.proxy.on("PUT", "/manifests/", "pass", count=len(words), before=lambda: barrier.wait(50))
        with ThreadPoolExecutor(len(words)) as pool:
            return list(
                pool.map(lambda each: commit(proxied.store, words=each[1], run_id=f"run-{each[0]}"), enumerate(words))
            )

    @pytest.mark.usefixtures("conditional_puts")
    def test_one_wins_and_the_loser_removes_its_data_and_succeeds(self, proxied: Proxied, store: CorpusStore) -> None:
        stage(store)
        first, second = self.race(proxied, "morning", "evening")
        assert first == second
        assert sorted(proxied.proxy.statuses("PUT", "/manifests/")) == [200, 412]
        rows = assert_committed(store, first)
        assert first.run_id == ("run-0" if "morning" in rows["text"][0].as_py() else "run-1")
        assert keys(store, "staging/") == []

    @pytest.mark.usefixtures("conditional_puts")
    def test_of_four_one_wins(self, proxied: Proxied, store: CorpusStore) -> None:
        manifests = self.race(proxied, "morning", "evening", "noon", "night")
        assert all(manifest == manifests[0] for manifest in manifests)
        assert_committed(store, manifests[0])

    def test_a_loser_with_the_very_same_rows_leaves_the_data(self, proxied: Proxied, store: CorpusStore) -> None:
        first, second = self.race(proxied, "morning", "morning")
        assert first == second
        assert_committed(store, first)


class TestParts:
    def test_a_shard_over_the_limit_goes_up_in_parts_and_its_manifest_in_one_put(
        self, proxied: Proxied, store: CorpusStore
    ) -> None:
        bucket = Bucket(proxied.server.client(proxied.proxy.url), store.bucket.name, parts_above=1000)
        manifest = commit(CorpusStore(bucket, store.spec))
        assert len(proxied.proxy.statuses("POST", "/shards/")) == 2  # begun and completed
        assert proxied.proxy.statuses("POST", "/manifests/") == []
        assert_committed(store, manifest)
        assert list(store.bucket.uploads("")) == []


class TestConflict:
    def test_a_commit_of_another_corpus_file_stands_and_the_field_is_named(self, store: CorpusStore) -> None:
        store.record_spec()
        first = commit(store)
        changed = CorpusStore(store.bucket, make_spec(rules={"max_chars": 200}))
        with pytest.raises(CommitConflict, match=r"rules.max_chars \(160 there, 200 in the corpus file\)") as error:
            commit(changed, words="evening")
        assert not error.value.retryable
        assert_committed(store, first)

    def test_one_that_comes_first_by_a_moment_stands_too(
        self, proxied: Proxied, store: CorpusStore, spec: CorpusSpec
    ) -> None:
        store.record_spec()
        changed = CorpusStore(proxied.bucket, make_spec(rules={"max_chars": 200}))
        proxied.proxy.on("PUT", "/manifests/", "pass", before=lambda: commit(store))
        with pytest.raises(CommitConflict, match=r"rules\.max_chars"):
            commit(changed, words="evening")
        standing = store.manifest(0)
        assert standing is not None
        assert_committed(store, standing)  # and nothing of the other lies about

    def test_one_that_has_the_very_same_rows_keeps_its_data(self, proxied: Proxied, store: CorpusStore) -> None:
        changed = CorpusStore(proxied.bucket, make_spec(rules={"max_chars": 200}))
        proxied.proxy.on("PUT", "/manifests/", "pass", before=lambda: commit(store))
        with pytest.raises(CommitConflict):
            commit(changed)
        standing = store.manifest(0)
        assert standing is not None
        assert_committed(store, standing)

    def test_something_that_is_no_manifest_is_told(self, store: CorpusStore) -> None:
        store.bucket.put(store.keys.manifest(0), b'{"format": 99}')
        with pytest.raises(StoreError, match=r"shard-00000\.json: is no manifest of this version"):
            commit(store)

    def test_staged_blocks_of_a_lost_race_are_gone_for_the_next_run(self, store: CorpusStore, client: Any) -> None:
        shard = stage(store)
        commit(store, words="evening")
        assert ShardStaging(store, shard).load() == {}
        record = json.loads(client.get_object(Bucket=store.bucket.name, Key=store.keys.manifest(0))["Body"].read())
        assert record["shard"] == 0
