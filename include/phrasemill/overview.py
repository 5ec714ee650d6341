"""What a corpus looks like from its bucket: how far it is, and some of its phrases."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from phrasemill.errors import StoreError
from phrasemill.manifest import Manifest, Totals
from phrasemill.rows import decode_rows
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.quarantine import quarantined

SHARDS_SAMPLED = 8  # phrases are drawn from at most so many shards, so that a sample stays quick


class HeldShard(BaseModel):
    """A shard whose gate failed and that has not been committed since."""

    shard: int
    at: str
    reason: str
    key: str


class Overview(BaseModel):
    """A corpus's state; shares are of 1 and may pass it with oversampling."""

    corpus: str
    fingerprint: str
    target_phrases: int
    target_share: float
    shards: int
    committed_shards: int
    phrases: int
    chars: int
    text_bytes: int
    missing: list[int]
    quarantined: list[HeldShard]


def overview(store: CorpusStore) -> Overview:
    """Look at a whole corpus.

    Raises:
        FingerprintMismatch: committed work is of another version of the corpus file.
        StoreError: the bucket cannot be read.
    """
    committed = store.committed()
    totals = Totals.of(store.manifests(committed))
    done = set(committed)
    held = {item.shard: item for item in quarantined(store) if item.shard not in done}
    return Overview(
        corpus=store.spec.name,
        fingerprint=store.fingerprint,
        target_phrases=store.spec.target_phrases,
        target_share=totals.phrases / store.spec.target_phrases,
        shards=store.spec.shard_count,
        committed_shards=len(committed),
        phrases=totals.phrases,
        chars=totals.chars,
        text_bytes=totals.bytes,
        missing=sorted(set(range(store.spec.shard_count)) - done),
        quarantined=[
            HeldShard(shard=item.shard, at=item.at, reason=item.reason, key=item.key) for item in held.values()
        ],
    )


def sample_rows(store: CorpusStore, n: int, *, seed: int | None = None) -> list[dict[str, Any]]:
    """Random committed rows as dicts, n of them or all there are.

    Raises:
        StoreError: a shard's data is gone, or nothing is committed.
    """
    numbers = store.committed()
    if not numbers:
        raise StoreError(f"{store.spec.name}: no shard is committed yet; run one first")
    chooser = random.Random(seed)  # noqa: S311
    chosen = sorted(chooser.sample(numbers, min(len(numbers), SHARDS_SAMPLED)))
    return _draw(store, store.manifests(chosen), n, chooser)


def draw_rows(store: CorpusStore, manifests: Sequence[Manifest], n: int, *, seed: int) -> list[dict[str, Any]]:
    """Random rows of these shards as dicts, n of them or all there are; of at most SHARDS_SAMPLED shards.

    Raises:
        StoreError: a shard's data is gone.
    """
    if not manifests:
        return []
    chooser = random.Random(seed)  # noqa: S311
    chosen = chooser.sample(manifests, min(len(manifests), SHARDS_SAMPLED))
    return _draw(store, sorted(chosen, key=lambda manifest: manifest.shard), n, chooser)


def shard_rows(store: CorpusStore, manifest: Manifest) -> pa.Table:
    """The committed rows of a shard.

    Raises:
        StoreError: its data is gone.
    """
    content = store.bucket.get(manifest.data_key)
    if content is None:
        raise StoreError(f"{store.url(manifest.data_key)}: the data of a committed shard is gone; restore it")
    return decode_rows(content, source=store.url(manifest.data_key))[0]


def _draw(store: CorpusStore, manifests: Sequence[Manifest], n: int, chooser: random.Random) -> list[dict[str, Any]]:
    drawn = Counter(chooser.choices(range(len(manifests)), k=n))
    tables = in_parallel(lambda index: shard_rows(store, manifests[index]), sorted(drawn))
    rows: list[dict[str, Any]] = []
    for table, index in zip(tables, sorted(drawn), strict=True):
        chosen = chooser.sample(range(table.num_rows), min(drawn[index], table.num_rows))
        rows += table.take(sorted(chosen)).to_pylist()
    return rows
