"""The shuffled order: kept rows are dealt to files by a hash of seed and id, and each file is in that hash's order.

A file takes an equal range of the hashes, so its rows follow from the seed and the kept ids alone, however shards
were read. The hash takes every id to another number, so no two rows tie.
"""

import io
import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.encoded_rows import ENCODED, encoded, plain
from phrasemill.release.kept import KEPT, KeptRows, file_count, kept_rows
from phrasemill.release.order_hash import order_hash
from phrasemill.release.place import ReleasePlace
from phrasemill.release.row_groups import DICTIONARIES, ENCODINGS
from phrasemill.rows import SCHEMA

PIECE_GROUP = 4_096
"""Rows of a row group of a piece, so that a pass reads little more than its own rows."""
PIECE_DICTIONARIES = [*DICTIONARIES, "slots.key_value.key", "slots.key_value.value"]
PASS_ROWS = 65_536
"""Rows that are sorted at once: 18 MB of phrases of 157 bytes. Twice as many take 40 MB more and 4 % less CPU."""
HASHES = 2**64

Ids = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def deal(place: ReleasePlace, span: int) -> dict[str, Any]:
    """Leave a span's kept rows in a piece for each file, in the order of their hashes.

    Raises:
        StoreError: a shard's committed data is gone or damaged.
        WorkMissing: duplicates have not been resolved.
    """
    files = file_count(place.plan, place.json(KEPT))
    kept, shards = KeptRows.read(place), place.plan.span(span)
    first, last = kept.rank(np.array([shards[0].first_id, shards[-1].first_id + shards[-1].rows])).tolist()
    if not place.has_work(_piece(files - 1, span)):
        rows = pa.concat_tables([ENCODED.empty_table(), *(kept_rows(place, kept, shard) for shard in shards)])
        rows = rows.combine_chunks()
        hashes = _hashes(rows, place)
        order = np.argsort(hashes)
        cuts = np.searchsorted(hashes[order], [_bound(file, files) for file in range(files)]).tolist()
        for file, (low, high) in enumerate(zip(cuts, [*cuts[1:], len(order)], strict=True)):
            place.put_work(_piece(file, span), _written(rows, order[low:high]))
    return {"span": span, "rows": last - first}


def dealt(
    place: ReleasePlace, file: int, *, files: int, spool: IO[bytes], pass_rows: int = PASS_ROWS
) -> tuple[int, Iterator[pa.Table]]:
    """How many rows a file of the shuffled order has, and these, in their order, in tables of ENCODED.

    Args:
        place: of the release.
        file: its number.
        files: how many there are.
        spool: an empty file on this machine's disk, open until the rows are read. It takes the pieces, which together
            are larger than the file made of them: 200 MB of memory less for 128 MB.
        pass_rows: how many are sorted at once.

    Raises:
        WorkMissing: a span has not been dealt.
    """
    spans = range(len(place.plan.cuts.spans))
    pieces = [pq.ParquetFile(_spooled(place.work(_piece(file, span)), spool)) for span in spans]
    hashes = [_hashes(piece.read(columns=["phrase_id"]), place) for piece in pieces]
    rows = sum(map(len, hashes))
    return rows, _passes(place, pieces, hashes, bounds=_pass_bounds(file, files, passes=-(-rows // pass_rows)))


def _passes(
    place: ReleasePlace, pieces: list[pq.ParquetFile], hashes: list[Hashes], *, bounds: list[np.uint64]
) -> Iterator[pa.Table]:
    """The rows of all pieces merged, those of one range of hashes after those of another."""
    starts = [np.searchsorted(held, bounds).tolist() for held in hashes]
    for number in range(len(bounds)):
        parts = []
        for piece, held, start in zip(pieces, hashes, starts, strict=True):
            low, high = start[number], [*start[1:], len(held)][number]
            if low < high:
                first, last = low // PIECE_GROUP, -(-high // PIECE_GROUP)
                groups = encoded(piece.read_row_groups(list(range(first, last))))
                parts.append(groups.slice(low - first * PIECE_GROUP, high - low))
        if parts:
            rows = pa.concat_tables(parts).combine_chunks()
            yield rows.take(pa.array(np.argsort(_hashes(rows, place))))


def _pass_bounds(file: int, files: int, *, passes: int) -> list[np.uint64]:
    """Where each pass of a file begins."""
    first, last = file * HASHES // files, (file + 1) * HASHES // files
    return [np.uint64(first + number * (last - first) // passes) for number in range(passes)]


def _bound(file: int, files: int) -> np.uint64:
    """The first hash that a file may have."""
    return np.uint64(-(-file * HASHES // files))


def _hashes(rows: pa.Table, place: ReleasePlace) -> Hashes:
    return order_hash(rows.column("phrase_id").to_numpy(), seed=place.plan.settings.seed)


def _written(rows: pa.Table, order: npt.NDArray[np.intp]) -> bytes:
    """Some rows of ENCODED in this order, as Parquet.

    They are written plain, since pyarrow reads no dictionaries within maps where there are several row groups.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        SCHEMA,
        compression="zstd",
        compression_level=1,
        use_dictionary=PIECE_DICTIONARIES,
        column_encoding=ENCODINGS,
    ) as writer:
        for start in range(0, len(order), PIECE_GROUP):
            writer.write_table(plain(rows.take(pa.array(order[start : start + PIECE_GROUP]))))
    content: bytes = sink.getvalue().to_pybytes()
    return content


class _Spooled(io.RawIOBase):
    """A part of a file, read as a file of its own; a file each for the pieces of 1,000 spans would be too many."""

    def __init__(self, descriptor: int, first: int, last: int) -> None:
        self._descriptor, self._first, self._last, self._at = descriptor, first, last, first

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: self._first, io.SEEK_CUR: self._at, io.SEEK_END: self._last}[whence]
        self._at = start + offset
        return self.tell()

    def tell(self) -> int:
        return self._at - self._first

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._last - self._at)
        content = os.pread(self._descriptor, left if size < 0 else min(size, left), self._at)
        self._at += len(content)
        return content


def _spooled(content: bytes, spool: IO[bytes]) -> _Spooled:
    """Put at the end of the spool, and to be read from there."""
    first = spool.seek(0, io.SEEK_END)
    spool.write(content)
    spool.flush()
    return _Spooled(spool.fileno(), first, first + len(content))


def _piece(file: int, span: int) -> str:
    return f"deal/file-{file:05d}/span-{span:05d}.parquet"
