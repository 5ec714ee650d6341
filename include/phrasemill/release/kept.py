"""KeptRows: which phrases of the plan's shards a release keeps, and the place of each among them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.encoded_rows import ENCODED, encoded
from phrasemill.release.errors import ReleaseError, WorkMissing
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import ReleasePlan, ReleaseShard
from phrasemill.release.shard_columns import read_columns

DROPPED, KEPT = "dropped.parquet", "kept.json"
FEWEST_ROWS = 1_000
"""Phrases that a file has at least on average, so that no file of the shuffled order comes out empty."""
REPACKED_PERCENT = 85
"""Bytes of packed rows, of those they have in their shards: 85 % at 1,300,000 phrases of 157 bytes. zstd 7 instead of 3
saves 7 %; ids and scenes as differences and hashes as they are save 9 %."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """The kept phrases: those of the plan's shards that are not dropped, up to `last_id`.

    Takes 8 bytes a dropped phrase and nothing a kept one.
    """

    shards: tuple[ReleaseShard, ...]
    """In the order of their ids; some may be missing in between."""
    count: int
    last_id: int
    dropped: Ids
    """In order, no id twice."""

    @classmethod
    def read(cls, place: ReleasePlace) -> Self:
        """What resolving the duplicates has left.

        Raises:
            WorkMissing: that is not there, or is not all of one piece.
            ReleaseError: nothing is kept.
        """
        told = place.json(KEPT)
        content = place.store.bucket.get(place.keys.file(DROPPED))
        where = place.store.url(place.keys.file(DROPPED))
        if content is None:
            raise WorkMissing(f"{where} is not there, and {KEPT} is; run the release again from its start")
        table = pq.read_table(pa.BufferReader(content), columns=["phrase_id"])
        kept = cls(place.plan.shards, told["kept"], told["last_id"], table.column("phrase_id").to_numpy())
        if kept.count < 1:
            raise ReleaseError(f"release {place.plan.version} of {place.plan.corpus} keeps no phrase; write more")
        found = int(kept._lower(np.array([kept.last_id + 1]))[0])
        if found != kept.count:
            raise WorkMissing(
                f"{where} leaves {found} phrases up to id {kept.last_id}, and {KEPT} tells of {kept.count}: they are "
                "of different tries; run the release again from its start"
            )
        return kept

    def mask(self, shard: ReleaseShard) -> npt.NDArray[np.bool_]:
        """Which rows of a shard are kept, (rows,)."""
        low, high = np.searchsorted(self.dropped, (shard.first_id, shard.first_id + shard.rows))
        kept = np.ones(shard.rows, np.bool_)
        kept[self.dropped[low:high] - shard.first_id] = False
        kept[max(0, self.last_id + 1 - shard.first_id) :] = False
        return kept

    def contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of any ids are those of kept phrases, in the shape of `ids`."""
        return self.rank(ids + 1) > self.rank(ids)

    def rank(self, ids: Ids) -> Ids:
        """For each id the number of kept phrases with a lower one: the place of a kept phrase among all, from 0."""
        return np.minimum(self._lower(ids), self.count)

    def shards_between(self, first_rank: int, last_rank: int) -> list[ReleaseShard]:
        """The shards that hold the kept phrases of places [first_rank, last_rank)."""
        lows = self.rank(np.array([shard.first_id for shard in self.shards]))
        highs = self.rank(np.array([shard.first_id + shard.rows for shard in self.shards]))
        here = (lows < last_rank) & (highs > first_rank) & (lows < highs)
        return [self.shards[index] for index in np.flatnonzero(here)]

    def _lower(self, ids: Ids) -> Ids:
        """Phrases below each id that are not dropped, those beyond `last_id` among them."""
        firsts = np.array([shard.first_id for shard in self.shards])
        rows = np.array([shard.rows for shard in self.shards])
        before = np.cumsum(rows) - rows
        at = np.maximum(np.searchsorted(firsts, ids, side="right") - 1, 0)
        lower: Ids = before[at] + np.clip(ids - firsts[at], 0, rows[at]) - np.searchsorted(self.dropped, ids)
        return lower


def kept_rows(place: ReleasePlace, kept: KeptRows, shard: ReleaseShard) -> pa.Table:
    """The kept rows of a shard, of schema ENCODED; a shard that has none is not read.

    Raises:
        StoreError: the shard's data is gone or damaged.
    """
    mask = kept.mask(shard)
    if not mask.any():
        return ENCODED.empty_table()
    rows = read_columns(place, shard, ENCODED.names)
    return encoded(rows if mask.all() else rows.filter(pa.array(mask)))


def file_count(plan: ReleasePlan, told: dict[str, Any]) -> int:
    """How many files the rows of a release are packed into, each of `file_bytes` at most, about.

    Args:
        plan: with the bytes of its shards.
        told: what resolving the duplicates has left as KEPT.
    """
    held = sum(shard.data_bytes for shard in plan.shards)
    kept, committed = int(told["kept"]), int(told["committed"])
    estimate = held * kept * REPACKED_PERCENT // (committed * 100)
    return max(1, min(-(-estimate // plan.settings.file_bytes), kept // FEWEST_ROWS))
