"""The index of shards: one compact line a manifest, so that a look at 2,000 shards reads one object and not 2,000.

It is a cache and never the truth. A line counts only where its etag is that of the manifest in the listing; a
manifest that was retracted is not listed, and one that was written anew has another etag. So a stale index costs
time, not correctness, and one that is missing or unreadable is as good as an empty one.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from phrasemill.errors import StoreError, StoreUnavailable
from phrasemill.manifest import Manifest
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.keys import MANIFEST
from phrasemill.writing_time import written_between

log = logging.getLogger(__name__)


class ShardEntry(BaseModel):
    """One committed shard in short: the fields of its manifest and of its facts, less examples, pace and verdict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard: int
    etag: str
    """Of its manifest; empty where the server tells none, and then the line is not trusted."""
    fingerprint: str
    rows: int
    chars: int
    text_bytes: int
    data_key: str
    verdict_key: str
    committed_at: AwareDatetime
    run_id: str
    by_hand: bool
    """The gate failed it, and somebody accepted it from quarantine."""
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    seconds: float
    """Spent generating, pauses between two runs left out."""
    engines: int
    accepted: int
    judged: int
    rejects: dict[str, int]
    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def of(cls, manifest: Manifest, *, etag: str) -> Self:
        """The line of a manifest."""
        facts = manifest.facts
        return cls(
            shard=manifest.shard,
            etag=etag,
            fingerprint=manifest.fingerprint,
            rows=manifest.rows,
            chars=manifest.chars,
            text_bytes=manifest.text_bytes,
            data_key=manifest.data_key,
            verdict_key=manifest.verdict_key,
            committed_at=manifest.committed_at,
            run_id=manifest.run_id,
            by_hand=manifest.accepted is not None,
            started_at=facts.started_at,
            finished_at=facts.finished_at,
            seconds=facts.seconds,
            engines=facts.engines,
            accepted=facts.accepted,
            judged=facts.judged,
            rejects=facts.rejects,
            prompt_tokens=facts.prompt_tokens,
            completion_tokens=facts.completion_tokens,
        )

    @property
    def written(self) -> tuple[dt.datetime, dt.datetime] | None:
        """From when to when its phrases were written, by `phrasemill.writing_time`; None if that is not known."""
        return written_between(self.started_at, self.finished_at, seconds=self.seconds)


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    shards: list[ShardEntry]


def read_index(store: CorpusStore) -> dict[int, ShardEntry]:
    """The lines of the index by shard; none if there is no index, or none that can be read."""
    key = store.keys.index()
    try:
        content = store.bucket.get(key)
        lines = _Index.model_validate_json(content).shards if content is not None else []
    except (StoreError, ValidationError) as error:
        # A bucket that is down is told of by whoever lists it.
        level = logging.DEBUG if isinstance(error, StoreUnavailable) else logging.INFO
        why = error if isinstance(error, StoreError) else "it is not of this version of phrasemill"
        log.log(level, "%s is not used, all manifests are read instead: %s", store.url(key), why)
        return {}
    return {line.shard: line for line in lines}


def write_index(store: CorpusStore, entries: Iterable[ShardEntry]) -> None:
    """Replace the index.

    Raises:
        StoreError: the bucket refuses, or does not answer.
    """
    lines = _Index(shards=sorted(entries, key=lambda entry: entry.shard))
    store.bucket.put(store.keys.index(), lines.model_dump_json().encode(), content_type="application/json")


def committed_shards(store: CorpusStore, known: Mapping[int, ShardEntry]) -> dict[int, ShardEntry]:
    """All committed shards by number, from one listing; manifests that are not `known`, or have changed, are read.

    Raises:
        FingerprintMismatch: committed work is of another version of the corpus file.
        RecordUnreadable: a manifest is none of this version of phrasemill.
    """
    listed = {
        int(match[1]): entry.etag
        for entry in store.bucket.entries(store.keys.manifests())
        if (match := MANIFEST.search(entry.key))
    }
    kept = {number: known[number] for number, etag in listed.items() if number in known and etag}
    kept = {number: entry for number, entry in kept.items() if entry.etag == listed[number]}
    for number, entry in kept.items():
        store.refuse_other(entry.fingerprint, what=store.url(store.keys.manifest(number)))
    read = store.manifests(number for number in listed if number not in kept)
    fresh = {manifest.shard: ShardEntry.of(manifest, etag=listed[manifest.shard]) for manifest in read}
    return dict(sorted((kept | fresh).items()))


def refresh_index(store: CorpusStore) -> None:
    """Bring the index up to date: read what it does not know, and write it anew.

    Raises:
        FingerprintMismatch, RecordUnreadable: see `committed_shards`.
        StoreError: the bucket refuses, or does not answer.
    """
    write_index(store, committed_shards(store, read_index(store)).values())
