"""Rows of links.parquet: the links of rings and scenes, chosen and put in order for a run of phrase ids.

A phrase has at most one link of a kind (its scene, or one of its lexicons), so that a run of ids is a matrix with a
column a kind. Kinds stand in the order of what they say, so the matrix read row by row is sorted by (from, why).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Ids = npt.NDArray[np.int64]

MAX_LINKS = 8
"""Links a phrase has at most."""
SCENE = "scene"
GROUP_ROWS = 100_000
"""About how many links a row group has: a phrase's links lie in one, and a look-up reads one."""
SCHEMA = pa.schema(
    [
        pa.field("from", pa.int64(), nullable=False),
        pa.field("to", pa.int64(), nullable=False),
        pa.field("why", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Links:
    """Links of one kind: at most one out of a phrase."""

    head: str
    """What their `why` begins with, and no other kind's."""
    from_ids: Ids
    """(n,) ascending."""
    to_ids: Ids
    """(n,)"""
    codes: npt.NDArray[np.int32]
    """(n,) indices into `whys`."""
    whys: Sequence[str]
    """Sorted."""
    weights: npt.NDArray[np.float32]
    """For each of `whys`."""


def weight(kept: int, sharing: int) -> float:
    """Bits that a link tells, to a hundredth: log2 of kept phrases for each that shares its reason; 0 if all do.

    Finer weights would tell lexemes apart that are as rare as each other, and take a byte a link instead of none.
    """
    return round(math.log2(kept / sharing), 2) if 0 < sharing < kept else 0.0


def lexeme_head(lexicon: str) -> str:
    """What links by this lexicon's lexemes begin their `why` with."""
    return f"{lexicon}: "


def scene_links(ids: Ids, scenes: Ids, *, weight: float) -> Links:
    """Each phrase to the next of its scene; the last of a scene has none.

    Takes the kept ids, ascending, and their scenes, which never fall. Its weight is that of a whole scene.
    """
    same = scenes[:-1] == scenes[1:]
    from_ids, to_ids = ids[:-1][same], ids[1:][same]
    return Links(SCENE, from_ids, to_ids, np.zeros(len(from_ids), np.int32), [SCENE], np.array([weight], np.float32))


def link_rows(kinds: Sequence[Links], first: int, last: int, *, most: int = MAX_LINKS) -> Iterator[pa.Table]:
    """Tables of SCHEMA, each to be a row group: the links out of the phrases [first, last), sorted by (from, why).

    A phrase with more than `most` keeps the link to the next of its scene, and those by its rarest lexemes; of equal
    ones those whose `why` comes first.
    """
    kinds = sorted(kinds, key=lambda kind: kind.head)
    whys = _Whys(kinds)
    step = max(1, GROUP_ROWS // max(1, min(len(kinds), most)))
    for start in range(first, last, step):
        table = _group(kinds, whys, start=start, stop=min(start + step, last), most=most)
        if table.num_rows:
            yield table


class _Whys:
    """All that links of these kinds say, in order: one numbering for all."""

    def __init__(self, kinds: Sequence[Links]) -> None:
        self.texts = pa.array([why for kind in kinds for why in kind.whys], pa.string())
        self.weights = np.concatenate([np.empty(0, np.float32), *(kind.weights for kind in kinds)])
        self.worth = np.where(
            np.array([kind.head == SCENE for kind in kinds for _ in kind.whys], bool), np.inf, self.weights
        )
        self.starts = np.cumsum([0, *(len(kind.whys) for kind in kinds)], dtype=np.int32)

    def columns(self, codes: npt.NDArray[np.int32]) -> tuple[pa.Array, pa.Array]:
        """Columns why and weight; the dictionary has what is said here and nothing else, so a group stays small."""
        used = np.bincount(codes, minlength=len(self.texts)) > 0
        places = np.cumsum(used, dtype=np.int32) - np.int32(1)
        said = self.texts.filter(pa.array(used))
        return pa.DictionaryArray.from_arrays(pa.array(places[codes]), said), pa.array(self.weights[codes])


def _group(kinds: Sequence[Links], whys: _Whys, *, start: int, stop: int, most: int) -> pa.Table:
    shape = (stop - start, len(kinds))
    to_ids, codes = np.full(shape, -1, np.int64), np.zeros(shape, np.int32)
    for column, kind in enumerate(kinds):
        low, high = np.searchsorted(kind.from_ids, (start, stop))
        rows = kind.from_ids[low:high] - start
        to_ids[rows, column] = kind.to_ids[low:high]
        codes[rows, column] = kind.codes[low:high] + whys.starts[column]
    there = to_ids >= 0
    if len(kinds) > most:
        _leave_out(there, whys.worth[codes], most=most)
    chosen = np.flatnonzero(there.ravel())
    why, weights = whys.columns(codes.ravel()[chosen])
    from_ids = chosen // len(kinds) + start if kinds else chosen
    return pa.table([pa.array(from_ids), pa.array(to_ids.ravel()[chosen]), why, weights], schema=SCHEMA)


def _leave_out(there: npt.NDArray[np.bool_], worth: npt.NDArray[np.float32], *, most: int) -> None:
    """Take those worth least from phrases that have more than `most`; of equal ones the later columns."""
    crowded = np.flatnonzero(there.sum(axis=1) > most)
    ranked = np.where(there[crowded], worth[crowded], -1)
    order = np.argsort(-ranked, axis=1, kind="stable")
    np.put_along_axis(ranked, order[:, most:], -1, axis=1)
    there[crowded] = ranked >= 0


class LinkFile:
    """Parquet of links, a row group after the other."""

    def __init__(self) -> None:
        self.rows = 0
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(
            self._sink,
            SCHEMA,
            # `to` is packed as tightly as it gets.
            compression={"from": "zstd", "to": "none", "why": "zstd", "weight": "zstd"},
            compression_level={"from": 3, "why": 3, "weight": 3},
            use_dictionary=["why", "weight"],
            # A phrase's links follow one another, so `from` rises by little; `to` has no more bits than the highest id.
            column_encoding={"from": "DELTA_BINARY_PACKED", "to": "DELTA_BINARY_PACKED"},
            sorting_columns=pq.SortingColumn.from_ordering(SCHEMA, [("from", "ascending"), ("why", "ascending")]),
            write_page_index=True,
            write_page_checksum=True,
        )

    def add(self, table: pa.Table) -> None:
        """One more row group."""
        self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows

    def close(self) -> bytes:
        """The whole file."""
        self._writer.close()
        return bytes(self._sink.getvalue())
