"""Rows for tests of the store: real coordinates, made-up texts."""

import numpy as np
import pyarrow as pa

from phrasemill.facts import Facts
from phrasemill.planning import Block, Shard, blocks_of, shard_of
from phrasemill.prompts import PromptBook
from phrasemill.rows import build_rows
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging


def make_rows(spec: CorpusSpec, first_id: int, count: int, *, words: str = "morning", attempt: int = 0) -> pa.Table:
    texts = [
        f"On the {words} of day {number} the keeper lit lamp {number}." for number in range(first_id, first_id + count)
    ]
    return build_rows(
        PromptBook(spec),
        language=spec.language,
        first_id=first_id,
        texts=texts,
        hashes=[text_hash(text) for text in texts],
        attempts=np.full(count, attempt, dtype=np.int64),
    )


def block_rows(spec: CorpusSpec, block: Block, *, words: str = "morning", attempt: int = 0) -> pa.Table:
    return make_rows(spec, block.first_id, block.rows, words=words, attempt=attempt)


def shard_rows(spec: CorpusSpec, shard: Shard, *, words: str = "morning", attempt: int = 0) -> pa.Table:
    return make_rows(spec, shard.first_id, shard.rows, words=words, attempt=attempt)


def facts_of(block: Block) -> Facts:
    return Facts(accepted=block.rows, rejects={"echo": 2}, completion_tokens=100 * (block.number + 1))


def stage(store: CorpusStore, *, shard: int = 0, words: str = "morning", without: tuple[int, ...] = ()) -> Shard:
    """Stage the blocks of a shard; returns the shard."""
    planned = shard_of(store.spec, shard)
    staging = ShardStaging(store, planned)
    for block in blocks_of(store.spec, planned):
        if block.number not in without:
            staging.save(block, block_rows(store.spec, block, words=words), facts_of(block))
    return planned
