"""Snapshot: what a corpus's bucket holds at one moment, in few requests.

A look costs one listing of manifests (a request for every 1,000), one of staging and one of quarantine. Manifests are
read only where neither an earlier snapshot nor the index knows them by their etag, and records of failed gates only
where their shard is not committed and the earlier snapshot has not read them.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from phrasemill.store.bucket import Entry
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.keys import QUARANTINED, STAGED_BLOCK
from phrasemill.store.quarantine import read_record
from phrasemill.store.shard_index import ShardEntry, committed_shards, read_index


@dataclass(frozen=True, slots=True)
class Staged:
    """The staged blocks of a shard that is not committed; times are the server's, to the second."""

    blocks: int
    last_saved: dt.datetime
    saves: tuple[dt.datetime, ...]
    """When its blocks were saved, in order."""


@dataclass(frozen=True, slots=True)
class Held:
    """The last failed gate of a shard that is not committed, its rows still held in quarantine."""

    at: str
    reason: str
    key: str
    """Of its record."""
    run: str


@dataclass(frozen=True, slots=True)
class GateRecord:
    """The record of a failed gate as it was read; `held` is None once its rows are discarded."""

    etag: str
    held: Held | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A corpus's bucket at one moment: what is committed, staged and held, each by shard number.

    Top-up shards are among them, and whatever a lowered target has left; `planning.is_top_up` tells them apart.
    """

    at: dt.datetime
    shards: Mapping[int, ShardEntry]
    staged: Mapping[int, Staged]
    held: Mapping[int, Held]
    records: Mapping[str, GateRecord] = field(default_factory=dict)
    """Records of failed gates that were read, by key: the next look does without them."""


def take_snapshot(store: CorpusStore, *, earlier: Snapshot | None = None) -> Snapshot:
    """Look at a corpus.

    Args:
        store: the corpus's.
        earlier: a snapshot of the same corpus; without one the index is read.

    Raises:
        FingerprintMismatch: committed work is of another version of the corpus file.
        RecordUnreadable: a manifest, or the record of a failed gate, is not of this version of phrasemill.
        StoreError: the bucket cannot be read.
    """
    at = dt.datetime.now(dt.UTC)
    with ThreadPoolExecutor(1) as beside:
        index = None if earlier else beside.submit(read_index, store)
        # Before the manifests: a shard committed meanwhile is then seen twice, and not overlooked.
        blocks = _staged_blocks(store)
        gates = beside.submit(_listed_gates, store)
        known = index.result() if index else earlier.shards if earlier else {}
        shards = committed_shards(store, known)
    listed = {number: entries for number, entries in gates.result().items() if number not in shards}
    records = _read_gates(store, listed, earlier.records if earlier else {})
    held, since = _held(listed, records)
    staged = {
        number: left
        for number, saves in sorted(blocks.items())
        # What a failed gate has left is removed after its record is put: a look between the two sees both.
        if number not in shards and (left := _saved_after(saves, since.get(number, 0.0)))
    }
    return Snapshot(at, shards, staged, held, records)


def _staged_blocks(store: CorpusStore) -> dict[int, list[float]]:
    saves: dict[int, list[float]] = defaultdict(list)
    for entry in store.bucket.entries(f"{store.keys.root}/staging/"):
        match = STAGED_BLOCK.search(entry.key)
        if match:
            saves[int(match[1])].append(entry.modified)
    return saves


def _saved_after(saves: list[float], since: float) -> Staged | None:
    times = tuple(dt.datetime.fromtimestamp(saved, dt.UTC) for saved in sorted(saves) if saved > since)
    return Staged(len(times), times[-1], times) if times else None


def _listed_gates(store: CorpusStore) -> dict[int, list[Entry]]:
    found: dict[int, list[Entry]] = defaultdict(list)
    for entry in store.bucket.entries(store.keys.quarantines()):
        match = QUARANTINED.search(entry.key)
        if match:
            found[int(match[1])].append(entry)
    return found


def _read_gates(
    store: CorpusStore, listed: Mapping[int, list[Entry]], known: Mapping[str, GateRecord]
) -> dict[str, GateRecord]:
    """The records of these gates; discarding changes a record's etag, so it is read again."""
    records: dict[str, GateRecord] = {}
    unknown: list[Entry] = []
    for entry in (entry for entries in listed.values() for entry in entries):
        record = known.get(entry.key)
        if record and entry.etag and record.etag == entry.etag:
            records[entry.key] = record
        else:
            unknown.append(entry)
    for entry, item in zip(unknown, in_parallel(lambda entry: read_record(store, entry.key), unknown), strict=True):
        if item is not None:
            held = None if item.discarded else Held(item.at, item.reason, item.key, item.run)
            records[entry.key] = GateRecord(entry.etag, held)
    return records


def _held(
    listed: Mapping[int, list[Entry]], records: Mapping[str, GateRecord]
) -> tuple[dict[int, Held], dict[int, float]]:
    """By shard: its last failed gate that is held, and when that record was put (seconds since the epoch)."""
    held: dict[int, Held] = {}
    since: dict[int, float] = {}
    for number, entries in sorted(listed.items()):
        for entry in entries:
            found = records[entry.key].held if entry.key in records else None
            if found and (number not in held or found.at >= held[number].at):
                held[number], since[number] = found, entry.modified
    return held, since
