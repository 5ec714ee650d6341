"""Quarantine: shards that failed the gate, with their rows, verdict and reason.

A record is never removed: its attempts have been used, so a retry of the shard begins above them and never asks for
the same rows again. Discarding removes the rows and says so in the record.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.errors import QuarantineError, RecordUnreadable
from phrasemill.facts import Facts
from phrasemill.planning import Shard
from phrasemill.rows import decode_rows, encode_rows
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.keys import QUARANTINED
from phrasemill.store.staging import ShardStaging

ROWS, NOTE, RECORD = "rows.parquet", "reason.txt", "verdict.json"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One failed gate."""

    shard: int
    run: str
    entry: str
    """Its folder in the shard's quarantine: the run and the moment, the same for no two."""
    reason: str
    at: str
    fingerprint: str
    next_attempt: int
    """Above every attempt of its rows: the shard's next generation begins here."""
    key: str
    """Of its record."""
    facts: dict[str, Any]
    """What its rows took: `phrasemill.facts.Facts` as JSON."""
    verdict: dict[str, Any] | None
    """The gate's verdict as JSON, where the record has it."""
    discarded: dict[str, str] | None
    """By whom and when its rows were removed; None while they are there."""

    @property
    def rows_key(self) -> str:
        """Key of its rows."""
        return self.key.removesuffix(RECORD) + ROWS


def quarantine_shard(
    store: CorpusStore,
    shard: Shard,
    rows: pa.Table,
    *,
    facts: Facts,
    verdict: dict[str, Any],
    reason: str,
    note: str,
    run_id: str,
) -> str:
    """Move a staged shard to quarantine; returns the key of its record.

    The record is put last, so a quarantine that is listed is whole; then staging is removed.

    Args:
        store: the corpus's.
        shard: which one.
        rows: all of it.
        facts: what they took.
        verdict: as JSON.
        reason: one line.
        note: the same for people, with sampled rows; plain text.
        run_id: the run whose gate failed.
    """
    now = dt.datetime.now(dt.UTC)
    # Two failures of one run (its instances can be cleared) must not overwrite each other.
    entry = f"{run_id}-{now:%Y%m%dT%H%M%S.%fZ}"
    content = {
        "corpus": store.spec.name,
        "shard": shard.number,
        "fingerprint": store.fingerprint,
        "run": run_id,
        "at": now.isoformat(timespec="seconds"),
        "reason": reason,
        "next_attempt": int(pc.max(rows.column("attempt")).as_py()) + 1,
        "facts": facts.model_dump(mode="json"),
        "verdict": verdict,
    }
    keys = {name: store.keys.quarantine(shard, entry, name) for name in (ROWS, NOTE, RECORD)}
    store.bucket.put(keys[ROWS], encode_rows(rows), content_type="application/vnd.apache.parquet")
    store.bucket.put(keys[NOTE], note.encode(), content_type="text/plain; charset=utf-8")
    store.bucket.put(keys[RECORD], _encode(content), content_type=JSON)
    ShardStaging(store, shard).clear()
    return keys[RECORD]


def quarantined(
    store: CorpusStore, shard: Shard | None = None, *, among: Literal["held", "all"] = "held"
) -> list[Quarantined]:
    """Failed gates of one shard or of all, oldest first; those whose rows were discarded only among `all`."""
    prefix = store.keys.quarantines() + (f"{shard.label}/" if shard else "")
    keys = [entry.key for entry in store.bucket.entries(prefix) if QUARANTINED.search(entry.key)]
    found = in_parallel(lambda key: read_record(store, key), keys)
    wanted = [item for item in found if item and (among == "all" or not item.discarded)]
    return sorted(wanted, key=lambda item: (item.shard, item.at))


def read_record(store: CorpusStore, key: str) -> Quarantined | None:
    """One failed gate by the key of its record, None if that is gone.

    Raises:
        RecordUnreadable: it is no record of this version of phrasemill.
    """
    record = _read(store, key)
    return None if record is None else _parse(store, key, record)


def held_shard(store: CorpusStore, shard: Shard, run: str | None = None) -> Quarantined:
    """The last failed gate of a shard whose rows are still there; of one run, by its id or its folder's name.

    Raises:
        QuarantineError: there is none.
    """
    items = quarantined(store, shard)
    found = [item for item in items if run is None or run in {item.run, item.entry}]
    if not found:
        runs = ", ".join(item.entry for item in items) or "none"
        raise QuarantineError(
            f"{store.spec.name} {shard.label}: nothing{f' of run {run!r}' if run else ''} is held in quarantine; "
            f"held are: {runs}"
        )
    return found[-1]


def held_rows(store: CorpusStore, item: Quarantined) -> pa.Table:
    """The rows of a failed gate.

    Raises:
        QuarantineError: they are gone.
        StagingIncomplete, ObjectDamaged: they do not read back as they were written.
    """
    content = store.bucket.get(item.rows_key)
    if content is None:
        raise QuarantineError(f"{store.url(item.rows_key)}: is gone; discard the entry to say so in its record")
    return decode_rows(content, source=store.url(item.rows_key))[0]


def discard(store: CorpusStore, item: Quarantined, *, by: str) -> None:
    """Remove the rows of a failed gate; its record stays and says by whom and when.

    Rows go first: whoever dies between the two finds the entry still held, and discards it again.

    Raises:
        QuarantineError: the record is gone.
    """
    record = _read(store, item.key)
    if record is None:
        raise QuarantineError(f"{store.url(item.key)}: the record is gone, and with it which attempts were used")
    store.bucket.delete([item.rows_key])
    record["discarded"] = {"by": by, "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
    store.bucket.put(item.key, _encode(record), content_type=JSON)


def first_attempt(store: CorpusStore, shard: Shard) -> int:
    """The attempt at which a shard's generation begins: no row of a failed gate is asked for again."""
    return max((item.next_attempt for item in quarantined(store, shard, among="all")), default=0)


def _encode(record: dict[str, Any]) -> bytes:
    return json.dumps(record, indent=1, ensure_ascii=False).encode()


def _read(store: CorpusStore, key: str) -> dict[str, Any] | None:
    content = store.bucket.get(key)
    try:
        record: dict[str, Any] | None = json.loads(content) if content is not None else None
    except ValueError as error:
        raise _no_record(store, key, error) from error
    return record


def _parse(store: CorpusStore, key: str, record: dict[str, Any]) -> Quarantined:
    try:
        return Quarantined(
            shard=int(record["shard"]),
            run=str(record["run"]),
            entry=key.split("/")[-2],
            reason=str(record["reason"]),
            at=str(record["at"]),
            fingerprint=str(record["fingerprint"]),
            next_attempt=int(record["next_attempt"]),
            key=key,
            facts=dict(record["facts"]),
            verdict=record.get("verdict"),
            discarded=record.get("discarded"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _no_record(store, key, error) from error


def _no_record(store: CorpusStore, key: str, error: Exception) -> RecordUnreadable:
    return RecordUnreadable(f"{store.url(key)}: is no verdict of this version ({error!r}); remove it, or mend it")
