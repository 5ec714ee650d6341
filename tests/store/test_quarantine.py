"""Quarantine: a shard that failed the gate is kept whole, and its next generation begins above its attempts."""

import json
import threading
from typing import Any

import pytest

from phrasemill.errors import StoreError
from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.rows import decode_rows
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import first_attempt, quarantine_shard, quarantined
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
        run_id="manual__2026-11-01T22:00",
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
        content = store.bucket.get(key.replace("verdict.json", "rows.parquet"))
        rows, _ = decode_rows(content or b"", source="rows")
        assert rows.equals(shard_rows(store.spec, shard))
        assert list(store.bucket.entries(store.keys.staging(shard))) == []

    def test_the_verdict_is_put_after_the_rows_and_before_staging_goes(
        self, proxied: Proxied, store: CorpusStore
    ) -> None:
        stage(store)
        quarantine(proxied.store)
        changes = [(method, path.rsplit("/", 1)[1]) for method, path, _ in proxied.proxy.seen if method != "GET"]
        assert changes[:2] == [("PUT", "rows.parquet"), ("PUT", "verdict.json")]
        assert {method for method, _ in changes[2:]} == {"DELETE"}

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
