"""Which phrases of a release are dropped and for which, and where the kept ones end. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.release.plan import ReleaseShard

WHY = ("exact", "near")
SCHEMA = pa.schema(
    [
        pa.field("phrase_id", pa.int64(), nullable=False),
        pa.field("kept_id", pa.int64(), nullable=False),
        pa.field("why", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
    ]
)
Ids = npt.NDArray[np.int64]


def dropped_table(repeats: Ids, near: tuple[Ids, Ids, npt.NDArray[np.float32]]) -> pa.Table:
    """All dropped phrases by id, each with the kept phrase that stands for it.

    A repeat of a phrase that is dropped itself, as near another one, is dropped for that other one, and as near it.

    Args:
        repeats: (m, 2) dropped and kept ids of exact duplicates.
        near: dropped ids in order, their kept ids, and the share of words in both; `repeats` drops none of them.
    """
    near_ids, near_kept, near_similarity = near
    ids, kept = repeats[:, 0], repeats[:, 1].copy()
    why, similarity = np.zeros(len(ids), np.int32), np.ones(len(ids), np.float32)
    if len(near_ids):
        at = np.minimum(np.searchsorted(near_ids, kept), len(near_ids) - 1)
        moved = near_ids[at] == kept
        kept[moved], similarity[moved], why[moved] = near_kept[at[moved]], near_similarity[at[moved]], WHY.index("near")
    all_ids = np.concatenate([ids, near_ids])
    order = np.argsort(all_ids)
    whys = np.concatenate([why, np.full(len(near_ids), WHY.index("near"), np.int32)])[order]
    columns = [
        pa.array(all_ids[order]),
        pa.array(np.concatenate([kept, near_kept])[order]),
        pa.DictionaryArray.from_arrays(pa.array(whys), pa.array(WHY)),
        pa.array(np.concatenate([similarity, near_similarity])[order].astype(np.float32)),
    ]
    return pa.table(columns, schema=SCHEMA)


def last_kept(shards: Sequence[ReleaseShard], dropped: Ids, keep: int) -> int:
    """The id of the last of the first `keep` phrases that are not dropped.

    Args:
        shards: in the order of their ids, with at least `keep` such phrases.
        dropped: in order.
        keep: at least 1.
    """
    seen = 0
    for shard in shards:
        low, high = np.searchsorted(dropped, (shard.first_id, shard.first_id + shard.rows))
        left = shard.rows - int(high - low)
        if seen + left >= keep:
            single = np.ones(shard.rows, np.bool_)
            single[dropped[low:high] - shard.first_id] = False
            return shard.first_id + int(np.flatnonzero(single)[keep - seen - 1])
        seen += left
    raise ValueError(f"{keep} phrases are to be kept, and only {seen} are not dropped")
