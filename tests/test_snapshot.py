"""A look at a bucket: right, in few requests, and the second one cheaper than the first."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest

from phrasemill.errors import FingerprintMismatch, RecordUnreadable, StoreUnavailable
from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.snapshot import Snapshot, take_snapshot
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import discard, quarantine_shard, quarantined
from phrasemill.store.shard_index import refresh_index
from tests.servers import S3Server
from tests.specs import make_spec
from tests.store.rows import shard_rows, stage
from tests.store.s3_proxy import S3Proxy


@pytest.fixture
def store(s3_server: S3Server, proxy: S3Proxy, spec: CorpusSpec) -> CorpusStore:
    """A corpus of four shards of three blocks, seen through the proxy."""
    return CorpusStore(Bucket(s3_server.client(proxy.url), S3Server.new_bucket(s3_server.endpoint)), spec)


def commit(store: CorpusStore, shard: int) -> None:
    planned = shard_of(store.spec, shard)
    rows = shard_rows(store.spec, planned)
    commit_shard(store, planned, rows, facts=Facts(accepted=60), verdict={"passed": True}, run_id="run-1")


def hold(store: CorpusStore, shard: int, *, reason: str = "too short") -> str:
    planned = shard_of(store.spec, shard)
    return quarantine_shard(
        store,
        planned,
        shard_rows(store.spec, planned),
        facts=Facts(accepted=60),
        verdict={"passed": False},
        reason=reason,
        note="n",
        run_id="run-1",
    )


def requests(proxy: S3Proxy) -> Counter[str]:
    """What was asked since the last time: listings, and objects by their folder in the corpus."""
    seen = Counter([*path.split("/"), "", "", ""][4] or "list" for _, path, _ in proxy.seen)
    proxy.seen.clear()
    return seen


class TestWhatItSees:
    def test_an_empty_bucket(self, store: CorpusStore) -> None:
        seen = take_snapshot(store)
        assert (seen.shards, seen.staged, seen.held) == ({}, {}, {})
        assert dt.timedelta() <= dt.datetime.now(dt.UTC) - seen.at

    def test_committed_staged_and_held_shards(self, store: CorpusStore) -> None:
        commit(store, 0)
        hold(store, 1)
        stage(store, shard=2, without=(1,))
        store.bucket.put(store.keys.verdict(shard_of(store.spec, 2)), b"{}")
        store.bucket.put(f"{store.keys.probes()}1", b"x")
        seen = take_snapshot(store)
        assert list(seen.shards) == [0]
        assert list(seen.staged) == [2]
        assert list(seen.held) == [1]
        staged = seen.staged[2]
        listed = [e.modified for e in store.bucket.entries(f"{store.keys.root}/staging/00002/0")]
        assert staged.blocks == 2
        assert [saved.timestamp() for saved in staged.saves] == sorted(listed)
        assert staged.last_saved == staged.saves[-1]
        [item] = quarantined(store)
        assert (seen.held[1].at, seen.held[1].reason, seen.held[1].key) == (item.at, "too short", item.key)
        assert seen.held[1].run == "run-1"

    def test_of_several_failed_gates_the_last_one_that_is_held(self, store: CorpusStore) -> None:
        for reason in ("first", "second"):
            hold(store, 1, reason=reason)
        first, second = sorted(quarantined(store), key=lambda item: item.entry)
        assert take_snapshot(store).held[1].reason == "second"
        discard(store, second, by="Ann")
        assert take_snapshot(store).held[1].reason == "first"
        discard(store, first, by="Ann")
        assert take_snapshot(store).held == {}

    def test_top_up_shards_and_work_beyond_a_lowered_target(self, store: CorpusStore) -> None:
        commit(store, 5)
        hold(store, 3)
        stage(store, shard=2)
        seen = take_snapshot(CorpusStore(store.bucket, make_spec(target_phrases=120)))
        assert (list(seen.shards), list(seen.staged), list(seen.held)) == ([5], [2], [3])

    def test_leavings_of_committed_shards_are_not_told_of(self, store: CorpusStore) -> None:
        hold(store, 0)
        commit(store, 0)
        stage(store, shard=0)
        seen = take_snapshot(store)
        assert (list(seen.shards), seen.staged, seen.held) == ([0], {}, {})

    def test_blocks_that_have_failed_the_gate_are_not_being_written(self, store: CorpusStore, proxy: S3Proxy) -> None:
        stage(store, shard=0)
        between: list[Snapshot] = []
        proxy.on("DELETE", "/staging/", "pass", before=lambda: between.append(take_snapshot(store)))
        hold(store, 0)  # puts the record, then removes the blocks
        [seen] = between
        assert list(seen.held) == [0]
        assert seen.staged == {}

    def test_a_shard_committed_meanwhile_is_seen_once(self, store: CorpusStore, proxy: S3Proxy) -> None:
        stage(store, shard=0)
        proxy.on("GET", "manifests", "pass", before=lambda: commit(store, 0))
        seen = take_snapshot(store)
        assert (list(seen.shards), seen.staged) == ([0], {})


class TestRequests:
    def test_a_first_look_lists_three_folders_and_reads_each_record_once(
        self, store: CorpusStore, proxy: S3Proxy
    ) -> None:
        for number in range(2):
            commit(store, number)
        hold(store, 2)
        stage(store, shard=3)
        requests(proxy)
        take_snapshot(store)
        assert requests(proxy) == {"list": 3, "index": 1, "manifests": 2, "quarantine": 1}

    def test_with_the_index_it_reads_no_manifest(self, store: CorpusStore, proxy: S3Proxy) -> None:
        for number in range(2):
            commit(store, number)
        refresh_index(store)
        requests(proxy)
        seen = take_snapshot(store)
        assert requests(proxy) == {"list": 3, "index": 1}
        assert list(seen.shards) == [0, 1]

    def test_a_second_look_reads_nothing(self, store: CorpusStore, proxy: S3Proxy) -> None:
        for number in range(2):
            commit(store, number)
        hold(store, 2)
        discard(store, quarantined(store)[0], by="Ann")
        hold(store, 2)
        earlier = take_snapshot(store)
        requests(proxy)
        again = take_snapshot(store, earlier=earlier)
        assert requests(proxy) == {"list": 3}
        assert replace(again, at=earlier.at) == earlier
        assert list(again.held) == [2]

    def test_a_second_look_reads_only_what_is_new_or_has_changed(self, store: CorpusStore, proxy: S3Proxy) -> None:
        commit(store, 0)
        hold(store, 2)
        earlier = take_snapshot(store)
        commit(store, 1)
        discard(store, quarantined(store)[0], by="Ann")
        requests(proxy)
        again = take_snapshot(store, earlier=earlier)
        assert requests(proxy) == {"list": 3, "manifests": 1, "quarantine": 1}
        assert (list(again.shards), again.held) == ([0, 1], {})

    def test_failed_gates_of_committed_shards_are_not_read(self, store: CorpusStore, proxy: S3Proxy) -> None:
        hold(store, 0)
        commit(store, 0)
        refresh_index(store)
        requests(proxy)
        take_snapshot(store)
        assert requests(proxy) == {"list": 3, "index": 1}

    def test_a_manifest_taken_back_is_dropped(self, store: CorpusStore) -> None:
        for number in range(2):
            commit(store, number)
        earlier = take_snapshot(store)
        store.bucket.delete([store.keys.manifest(0)])
        assert list(take_snapshot(store, earlier=earlier).shards) == [1]


class TestTroubles:
    def test_work_of_another_version_of_the_corpus_file(self, store: CorpusStore) -> None:
        commit(store, 0)
        with pytest.raises(FingerprintMismatch, match="what differs"):
            take_snapshot(CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.5})))

    def test_a_manifest_and_a_record_that_are_none(self, store: CorpusStore) -> None:
        key = hold(store, 1)
        store.bucket.put(key, b"{")
        with pytest.raises(RecordUnreadable, match="is no verdict of this version"):
            take_snapshot(store)
        store.bucket.put(store.keys.manifest(0), b"{}")
        with pytest.raises(RecordUnreadable, match="is no manifest of this version"):
            take_snapshot(store)

    @pytest.mark.parametrize("folder", ["manifests", "staging", "quarantine"])
    def test_a_bucket_that_does_not_answer(self, store: CorpusStore, proxy: S3Proxy, folder: str) -> None:
        commit(store, 0)
        earlier = take_snapshot(store)
        proxy.on("GET", folder, "forge", status=503, count=None)
        with pytest.raises(StoreUnavailable):
            take_snapshot(store, earlier=earlier)
