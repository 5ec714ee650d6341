"""Staging: the blocks of a shard between generation and commit."""

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import ValidationError

from phrasemill.errors import ObjectDamaged, StagingIncomplete
from phrasemill.facts import Facts
from phrasemill.planning import Block, Shard, blocks_of
from phrasemill.rows import decode_rows, encode_rows, join_rows
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.keys import BLOCK

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A sound block as it was read back."""

    block: Block
    rows: pa.Table
    facts: Facts

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """Text hashes of its phrases."""
        hashes: npt.NDArray[np.uint64] = self.rows.column("text_hash").to_numpy()
        return hashes


class ShardStaging:
    """The staged blocks of one shard; what the mill writes to and resumes from."""

    def __init__(self, store: CorpusStore, shard: Shard) -> None:
        self._store = store
        self._shard = shard
        self._plan = {block.number: block for block in blocks_of(store.spec, shard)}

    def save(self, block: Block, rows: pa.Table, facts: Facts) -> None:
        """Put a full block; it replaces what may lie there."""
        content = encode_rows(rows, self._label(block) | {"facts": facts.model_dump(mode="json")})
        key = self._store.keys.block(self._shard, block.number)
        self._store.bucket.put(key, content, content_type="application/vnd.apache.parquet")

    def load(self) -> dict[int, StoredBlock]:
        """Sound blocks by number.

        Damaged blocks, blocks of another range, and blocks that repeat a text of an earlier one (two workers
        at once) are left out with a warning, so that they are generated again.

        Raises:
            FingerprintMismatch: a block was made from another version of the corpus file.
        """
        entries = self._store.bucket.entries(self._store.keys.staging(self._shard))
        numbers = sorted(int(match[1]) for match in (BLOCK.search(entry.key) for entry in entries) if match)
        sound: dict[int, StoredBlock] = {}
        seen: set[int] = set()
        for block in in_parallel(self._read, [number for number in numbers if number in self._plan]):
            if block is None:
                continue
            hashes = set(block.hashes.tolist())
            if len(hashes) < block.block.rows or not seen.isdisjoint(hashes):
                log.warning("%s block %d repeats a phrase; it is redone", self._shard.label, block.block.number)
                continue
            seen |= hashes
            sound[block.block.number] = block
        return sound

    def rows(self) -> tuple[pa.Table, Facts]:
        """All rows of the shard in order, and the facts of all its blocks.

        Raises:
            StagingIncomplete: a block is missing or not sound.
        """
        blocks = self.load()
        if missing := sorted(self._plan.keys() - blocks.keys()):
            raise StagingIncomplete(
                f"{self._store.spec.name} {self._shard.label}: {len(missing)} of {len(self._plan)} staged blocks "
                f"are missing or damaged (block {missing[0]} first); run generate for this shard again"
            )
        ordered = [blocks[number] for number in sorted(blocks)]
        return join_rows([block.rows for block in ordered]), Facts.total([block.facts for block in ordered])

    def clear(self) -> None:
        """Remove everything staged for the shard."""
        keys = [entry.key for entry in self._store.bucket.entries(self._store.keys.staging(self._shard))]
        if keys:
            self._store.bucket.delete(keys)

    def _label(self, block: Block) -> dict[str, str | int]:
        return {
            "corpus": self._store.spec.name,
            "fingerprint": self._store.fingerprint,
            "shard": self._shard.number,
            "block": block.number,
            "first_id": block.first_id,
            "rows": block.rows,
        }

    def _read(self, number: int) -> StoredBlock | None:
        key, block = self._store.keys.block(self._shard, number), self._plan[number]
        try:
            content = self._store.bucket.get(key)
            if content is None:
                return None
            rows, metadata = decode_rows(content, source=self._store.url(key))
            facts = Facts.model_validate(metadata.pop("facts", None))
        except (ObjectDamaged, StagingIncomplete, ValidationError) as error:
            log.warning("%s is damaged and redone: %s", self._store.url(key), error)
            return None
        if "fingerprint" in metadata:
            self._store.refuse_other(str(metadata["fingerprint"]), what=self._store.url(key))
        ids = np.arange(block.first_id, block.first_id + block.rows)
        if metadata != self._label(block) or not np.array_equal(rows.column("phrase_id").to_numpy(), ids):
            log.warning("%s holds other phrases than planned and is redone", self._store.url(key))
            return None
        return StoredBlock(block, rows, facts)
