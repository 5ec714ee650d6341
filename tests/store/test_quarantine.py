"""Quarantine: a shard that failed the gate is kept whole, and its next generation begins above its attempts."""

import json
import threading
from typing import Any

import pytest

from phrasemill.errors import QuarantineError, StoreError
from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import (
    discard,
    first_attempt,
    held_rows,
    held_shard,
    quarantine_shard,
    quarantined,
)
from tests.store.conftest import Proxied
from tests.store.rows import shard_rows, stage


def quarantine(
    store: CorpusStore, *, shard: int = 0, attempt: int = 0, run_id: str = "manual__2026-11-01T22:00"
) -> str:
    planned = shard_of(store.spec, shard)
    return quarantine_shard(
        store,
        planned,
        shard_rows(store.spec, planned, attempt=attempt),
        facts=Facts(accepted=60, rejects={"echo": 4}),
        verdict={"passed": False, "why": "Länge"},
        reason="mean length 40 is below 60",
        note="It failed: Länge.\n",
        run_id=run_id,
    )


class TestQuarantine:
    def test_rows_verdict_and_reason_are_kept_and_staging_goes(self, store: CorpusStore) -> None:
        shard = stage(store)
        key = quarantine(store)
        record = json.loads(store.bucket.get(key) or b"")
        assert record["reason"] == "mean length 40 is below 60"
        assert record["verdict"] == {"passed": False, "why": "Länge"}
        assert (record["shard"], record["run"], record["fingerprint"]) == (
            0,
            "manual__2026-11-01T22:00",
            store.fingerprint,
        )
        assert record["facts"]["rejects"] == {"echo": 4}
        [item] = quarantined(store)
        assert held_rows(store, item).equals(shard_rows(store.spec, shard))
        assert store.bucket.get(key.replace("verdict.json", "reason.txt")) == "It failed: Länge.\n".encode()
        assert list(store.bucket.entries(store.keys.staging(shard))) == []

    def test_the_verdict_is_put_after_the_rows_and_before_staging_goes(
        self, proxied: Proxied, store: CorpusStore
    ) -> None:
        stage(store)
        quarantine(proxied.store)
        changes = [(method, path.rsplit("/", 1)[1]) for method, path, _ in proxied.proxy.seen if method != "GET"]
        assert changes[:3] == [("PUT", "rows.parquet"), ("PUT", "reason.txt"), ("PUT", "verdict.json")]
        assert {method for method, _ in changes[3:]} == {"DELETE"}

    def test_one_that_dies_before_its_verdict_is_not_listed_and_loses_nothing(
        self, proxied: Proxied, store: CorpusStore
    ) -> None:
        shard = stage(store)
        proxied.proxy.on("PUT", "verdict.json", "forge", status=403)
        with pytest.raises(StoreError):
            quarantine(proxied.store)
        assert quarantined(store) == []
        assert len(list(store.bucket.entries(store.keys.staging(shard)))) == 3

    def test_two_failures_of_one_run_are_both_kept(self, store: CorpusStore) -> None:
        assert quarantine(store) != quarantine(store, attempt=1)
        assert [item.next_attempt for item in quarantined(store)] == [1, 2]

    def test_those_of_one_shard_and_of_all_are_listed_oldest_first(self, store: CorpusStore) -> None:
        later, first = quarantine(store, shard=2), quarantine(store, shard=1, attempt=4)
        assert [item.key for item in quarantined(store)] == [first, later]
        one = quarantined(store, shard_of(store.spec, 1))
        assert [(item.shard, item.next_attempt, item.reason, item.run) for item in one] == [
            (1, 5, "mean length 40 is below 60", "manual__2026-11-01T22:00")
        ]

    @pytest.mark.parametrize("content", [b"{torn", b"[]", b'{"shard": 0}'])
    def test_a_record_that_makes_no_sense_is_named(self, store: CorpusStore, content: bytes) -> None:
        key = quarantine(store)
        store.bucket.put(key, content)
        with pytest.raises(StoreError, match=f"{key}: is no verdict of this version"):
            quarantined(store)


class TestHeld:
    def test_the_last_one_of_a_shard_or_that_of_a_run(self, store: CorpusStore) -> None:
        first, second = quarantine(store, run_id="night-1"), quarantine(store, attempt=1, run_id="night-2")
        shard = shard_of(store.spec, 0)
        assert held_shard(store, shard).key == second
        assert held_shard(store, shard, "night-1").key == first
        entry = held_shard(store, shard, "night-1").entry
        assert entry.startswith("night-1-")
        assert held_shard(store, shard, entry).key == first

    def test_what_is_not_there_is_told(self, store: CorpusStore) -> None:
        quarantine(store, run_id="night-1")
        with pytest.raises(QuarantineError, match="tiny shard-00001: nothing is held in quarantine"):
            held_shard(store, shard_of(store.spec, 1))
        with pytest.raises(QuarantineError, match=r"nothing of run 'night-2' is held .*; held are: night-1-2"):
            held_shard(store, shard_of(store.spec, 0), "night-2")


class TestDiscard:
    def test_rows_go_and_the_record_stays_with_the_attempts_that_were_used(self, store: CorpusStore) -> None:
        quarantine(store, attempt=6)
        [item] = quarantined(store)
        discard(store, item, by="anna")
        assert store.bucket.get(item.rows_key) is None
        assert quarantined(store) == []
        [left] = quarantined(store, among="all")
        assert (left.discarded or {})["by"] == "anna"
        assert (left.reason, left.verdict) == (item.reason, item.verdict)
        assert first_attempt(store, shard_of(store.spec, 0)) == 7

    def test_one_that_dies_half_way_can_be_done_again(self, proxied: Proxied, store: CorpusStore) -> None:
        quarantine(store)
        [item] = quarantined(store)
        proxied.proxy.on("PUT", "verdict.json", "forge", status=403)
        with pytest.raises(StoreError):
            discard(proxied.store, item, by="anna")
        assert quarantined(store) == [item]
        with pytest.raises(QuarantineError, match=r"rows\.parquet: is gone; discard the entry"):
            held_rows(store, item)
        discard(store, item, by="anna")
        assert quarantined(store) == []

    def test_without_its_record_nothing_is_removed(self, store: CorpusStore) -> None:
        quarantine(store)
        [item] = quarantined(store)
        store.bucket.delete([item.key])
        with pytest.raises(QuarantineError, match="the record is gone"):
            discard(store, item, by="anna")
        assert store.bucket.get(item.rows_key)


class TestFirstAttempt:
    def test_it_is_nought_without_a_quarantine(self, store: CorpusStore) -> None:
        quarantine(store, shard=1)
        assert first_attempt(store, shard_of(store.spec, 0)) == 0

    def test_it_is_above_every_attempt_that_failed(self, store: CorpusStore) -> None:
        for attempt in (3, 8, 5):
            quarantine(store, attempt=attempt)
        assert first_attempt(store, shard_of(store.spec, 0)) == 9


def test_a_verdict_removed_while_they_are_read_is_passed_over(
    proxied: Proxied, store: CorpusStore, client: Any
) -> None:
    key = quarantine(store)
    removed = threading.Event()

    def remove() -> None:
        client.delete_object(Bucket=store.bucket.name, Key=key)
        removed.set()

    proxied.proxy.on("GET", "verdict.json", "pass", before=remove)
    assert quarantined(proxied.store) == []
    assert removed.is_set()
