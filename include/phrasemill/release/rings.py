"""Rings: the phrases of a lexeme in a fixed order as if shuffled, each linked to the next, the last to the first.

So every phrase of a lexeme is reached from every other, and a phrase has one link a lexeme, however many share it.
The order hangs on the lexeme's text and the ids alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

Ids = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

ID_BITS = 42
"""An id is below 2**42: a corpus has at most 10**12 phrases to reach, and as many again to spare."""
MAX_ID, MAX_LEXEMES = (1 << ID_BITS) - 1, 1 << (64 - ID_BITS)
"""What one key of 64 bits holds: an id, and a lexeme's code above it."""
SAMPLE = 500
"""Phrases of a lexeme that its row of the index names: a page shows fewer, and 500 ids are 4 KB."""
SPARE = 4
"""A lexeme too common for a ring keeps this many times SAMPLE of its phrases, chosen by their places. That fewer than
SAMPLE of them come out has a chance below 1e-300."""
RING_ROWS = 2**17
"""Rows of a row group of rings: what does not belong to a block is not decoded."""
RINGS = pa.schema([("from", pa.int64()), ("to", pa.int64()), ("code", pa.int32())])
"""Links by one lexicon's lexemes; a code is the lexeme's row in the lexicon's part of the index."""

_MASK = np.uint64(MAX_ID)
_HALF = np.uint64(ID_BITS // 2)
# Odd, so that they can be undone.
_FACTORS: tuple[int, int] = (0x9E3779B97F4A7C15 & MAX_ID, 0xC2B2AE3D27D4EB4F & MAX_ID)
_INVERSES = tuple(pow(factor, -1, 2**ID_BITS) for factor in _FACTORS)


@dataclass(frozen=True, slots=True)
class Sample:
    """At most SAMPLE phrases of each lexeme: the first of its order, so spread over all."""

    ids: Ids
    """(m,) lexeme by lexeme, those of one in their own order."""
    sizes: npt.NDArray[np.int64]
    """(lexemes,) how many each has."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Rings of a lexicon, or of a run of its lexemes."""

    from_ids: Ids
    """(n,) phrases with a link, in the order of their lexemes."""
    to_ids: Ids
    """(n,) where each leads."""
    codes: Codes
    """(n,) the lexeme that both share."""
    sample: Sample


class RingBook:
    """The order in which a ring goes through the phrases of its lexeme.

    An id's place is the id itself under a permutation of 42 bits that the lexeme's text keys: two rounds of multiply
    and xor-shift, each of which can be undone. So places never tie, and sorting the places sorts the ids: one sort of
    64-bit words, with nothing carried along.
    """

    def __init__(self, lexemes: Sequence[str], counts: Sequence[int], *, rare: int) -> None:
        """Rings for these lexemes, of so many phrases each; those that more than `rare` phrases have get none.

        Raises:
            ValueError: there are more than MAX_LEXEMES.
        """
        if len(lexemes) > MAX_LEXEMES:
            raise ValueError(
                f"{len(lexemes)} lexemes are more than the {MAX_LEXEMES} that a ring's keys can tell apart"
            )
        self.linked = np.array([1 < count <= rare for count in counts], bool)
        keys = [xxhash.xxh3_64_intdigest(lexeme.encode()) & MAX_ID for lexeme in lexemes]
        self._seeds = np.array(keys, np.uint64)
        self._below = np.array([_bound(count, rare) for count in counts], np.uint64)

    def keys(self, ids: Ids, codes: Codes) -> Words:
        """Keys of phrases, of which those are left out that neither a ring nor a sample needs.

        Raises:
            ValueError: an id is above MAX_ID.
        """
        if len(ids) and int(ids.max()) > MAX_ID:
            raise ValueError(f"phrase id {ids.max()} is above {MAX_ID}, the highest that a ring's keys hold")
        places = _shuffled(ids.view(np.uint64) ^ self._seeds[codes])
        keys = (codes.astype(np.uint64) << np.uint64(ID_BITS)) | places
        wanted = places < self._below[codes]
        return keys if wanted.all() else keys[wanted]

    def ring(self, keys: Words) -> Ring:
        """The rings of all phrases of these lexemes, whose keys are overwritten.

        Takes 20 bytes of memory a key besides the keys themselves, and 41 where some lexemes get no ring.
        """
        keys.sort()
        codes = (keys >> np.uint64(ID_BITS)).astype(np.int32)
        ids = self._ids(keys, codes)
        starts = np.searchsorted(codes, np.arange(len(self._seeds) + 1, dtype=np.int32))
        sample = _sample(ids, starts)
        following = np.empty_like(ids)
        following[:-1] = ids[1:]
        some = starts[:-1] < starts[1:]
        following[starts[1:][some] - 1] = ids[starts[:-1][some]]
        if not self.linked.all():
            mine = self.linked[codes]
            ids, following, codes = ids[mine], following[mine], codes[mine]
        return Ring(ids, following, codes, sample)

    def _ids(self, keys: Words, codes: Codes) -> Ids:
        keys &= _MASK
        return (_unshuffled(keys) ^ self._seeds[codes]).view(np.int64)


def kept_keys(count: int, *, rare: int) -> int:
    """About how many keys a lexeme of so many phrases takes."""
    return count if count <= rare else min(count, SPARE * SAMPLE)


def ring_table(from_ids: Ids, to_ids: Ids, codes: Codes, *, within: tuple[int, int]) -> pa.Table:
    """Links out of the phrases [first, last), at most one a phrase, as RINGS in the order of ids."""
    first, last = within
    all_to, all_codes = np.full(last - first, -1, np.int64), np.empty(last - first, np.int32)
    all_to[from_ids - first], all_codes[from_ids - first] = to_ids, codes
    there = np.flatnonzero(all_to >= 0)
    return pa.table([pa.array(there + first), pa.array(all_to[there]), pa.array(all_codes[there])], schema=RINGS)


def encode_rings(rings: pa.Table) -> bytes:
    """Parquet of RINGS: whole numbers in few bits, 5 bytes a link where plain columns take 20."""
    sink = pa.BufferOutputStream()
    encodings = dict.fromkeys(RINGS.names, "DELTA_BINARY_PACKED")
    pq.write_table(
        rings, sink, row_group_size=RING_ROWS, compression="none", use_dictionary=False, column_encoding=encodings
    )
    return bytes(sink.getvalue())


def overlapping_rings(packed: bytes, start: int, stop: int) -> pa.Table:
    """Row groups of encoded RINGS that have phrases of [start, stop)."""
    file = pq.ParquetFile(pa.BufferReader(packed))
    froms = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
    return file.read_row_groups([k for k, those in enumerate(froms) if those.max >= start and those.min < stop])


def _bound(count: int, rare: int) -> int:
    """Places of a lexeme from here on are left out."""
    return -(-kept_keys(count, rare=rare) * (1 << ID_BITS) // max(1, count))


def _shuffled(words: Words) -> Words:
    """A permutation of the words of 42 bits, in place."""
    for factor in _FACTORS:
        words ^= words >> _HALF
        words *= np.uint64(factor)
        words &= _MASK
    words ^= words >> _HALF
    return words


def _unshuffled(words: Words) -> Words:
    """The permutation undone, in place: a shift by half of the bits is its own inverse."""
    for inverse in reversed(_INVERSES):
        words ^= words >> _HALF
        words *= np.uint64(inverse)
        words &= _MASK
    words ^= words >> _HALF
    return words


def _sample(ids: Ids, starts: npt.NDArray[np.int64]) -> Sample:
    sizes = np.minimum(np.diff(starts), SAMPLE)
    ends = np.cumsum(sizes)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    chosen = ids[np.arange(len(codes)) + (starts[:-1] - ends + sizes)[codes]]
    return Sample(chosen[np.lexsort((chosen, codes))], sizes)
