"""Committed phrases of a corpus, as they lie in its bucket: a few at random, or all of a shard."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from phrasemill.errors import StoreError
from phrasemill.manifest import Manifest
from phrasemill.rows import decode_rows
from phrasemill.store.corpus_store import CorpusStore, in_parallel

SHARDS_SAMPLED = 8  # phrases are drawn from at most so many shards, so that a sample stays quick


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
