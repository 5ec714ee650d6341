"""Quarantine: shards that failed the gate, with their rows, verdict and reason."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.errors import StoreError
from phrasemill.facts import Facts
from phrasemill.planning import Shard
from phrasemill.rows import encode_rows
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.keys import QUARANTINED
from phrasemill.store.staging import ShardStaging


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One failed gate."""

    shard: int
    run: str
    reason: str
    at: str
    next_attempt: int
    """Above every attempt of its rows: the shard's next generation begins here."""
    key: str
    verdict: dict[str, Any] | None
    """The gate's verdict as JSON, where the record has it."""


def quarantine_shard(
    store: CorpusStore,
    shard: Shard,
    rows: pa.Table,
    *,
    facts: Facts,
    verdict: dict[str, Any],
    reason: str,
    run_id: str,
) -> str:
    """Move a staged shard to quarantine; returns the key of its verdict.

    The verdict is put last, so a quarantine that is listed is whole; then staging is removed.
    """
    # Two failures of one run (its instances can be cleared) must not overwrite each other.
    run = f"{run_id}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%fZ}"
    content = {
        "corpus": store.spec.name,
        "shard": shard.number,
        "fingerprint": store.fingerprint,
        "run": run_id,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "reason": reason,
        "next_attempt": int(pc.max(rows.column("attempt")).as_py()) + 1,
        "facts": facts.model_dump(mode="json"),
        "verdict": verdict,
    }
    parquet = "application/vnd.apache.parquet"
    store.bucket.put(store.keys.quarantine(shard, run, "rows.parquet"), encode_rows(rows), content_type=parquet)
    key = store.keys.quarantine(shard, run, "verdict.json")
    store.bucket.put(key, json.dumps(content, indent=1, ensure_ascii=False).encode(), content_type="application/json")
    ShardStaging(store, shard).clear()
    return key


def quarantined(store: CorpusStore, shard: Shard | None = None) -> list[Quarantined]:
    """Failed gates of one shard or of all, oldest first."""
    prefix = store.keys.quarantines() + (f"{shard.label}/" if shard else "")
    keys = [entry.key for entry in store.bucket.entries(prefix) if QUARANTINED.search(entry.key)]

    def read(key: str) -> Quarantined | None:
        content = store.bucket.get(key)
        if content is None:
            return None
        try:
            record = json.loads(content)
            return Quarantined(
                shard=int(record["shard"]),
                run=str(record["run"]),
                reason=str(record["reason"]),
                at=str(record["at"]),
                next_attempt=int(record["next_attempt"]),
                key=key,
                verdict=record.get("verdict"),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{store.url(key)}: is no verdict of this version ({error!r}); remove it, or mend it"
            ) from error

    return sorted((item for item in in_parallel(read, keys) if item), key=lambda item: (item.shard, item.at))


def first_attempt(store: CorpusStore, shard: Shard) -> int:
    """The attempt at which a shard's generation begins: no row of a failed gate is asked for again."""
    return max((item.next_attempt for item in quarantined(store, shard)), default=0)
