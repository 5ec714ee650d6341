"""Candidate pairs: phrases whose keys of a band stand near one another, at a cost that no corpus can blow up.

Rows are sorted by the key, and each is compared with the next few (sorted neighbourhood: Hernandez, Stolfo 1995).
A join of equal keys would compare all with all in a bucket, and phrases of one template share their stop words:
1,000,000 phrases and 4 minima a key made 240,000,000 pairs a band. Here n rows make at most n * window comparisons.

What a window misses is made up for by the other bands, and where very many rows are alike, by their heads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from phrasemill.release.sketches import MOST
from phrasemill.release.tokens import BLOCK

WINDOW = 16
"""Rows that each row is compared with in a band."""
FEW = 8
"""Pairs of a later row that a band finds at most: those with the earliest rows, which are the likeliest to be kept.
So a corpus of nothing but near-duplicates makes no more pairs than this."""

_HEADS = (32, 20)
"""Bits of the key that rows have in common whose earliest is compared with all of them."""
_PREFIXES = 2**16
_NEVER_FAR = 127


def in_part(keys: npt.NDArray[np.uint32], part: int, parts: int) -> npt.NDArray[np.bool_]:
    """Which rows of a band belong to a part, by the first 16 bits of their keys.

    Rows that may be compared lie in one part, so the candidates of all parts together are the same for any `parts`,
    from 1 to 65,536.
    """
    first, last = (-(-_PREFIXES * number // parts) for number in (part, part + 1))
    prefixes = keys >> np.uint32(16)
    return (prefixes >= first) & (prefixes < last)


def candidates(
    keys: npt.NDArray[np.uint32],
    bits: npt.NDArray[np.uint64],
    sizes: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.int64],
    *,
    threshold: float,
    window: int = WINDOW,
) -> npt.NDArray[np.int64]:
    """Pairs of near rows that may have `threshold` of their words in common.

    A pair passes where its bitmaps differ in no more bits than words may: the words in one of two sets alone are at
    most (1 - t) / (1 + t) of both sizes together if they share t of all. So no such pair of the window is lost, and
    of others few pass. Phrases without words are in no pair.

    It takes 52 bytes of memory a row, the 29 of its arguments included, and 56 a pair. 10,000,000 phrases of which
    3 % are near-duplicates make 500,000 pairs a band; nothing but near-duplicates would make FEW a row.

    Args:
        keys: (n,) of one band.
        bits: (2, n).
        sizes: (n,).
        ids: (n,) ascending: the order of rows decides between equal keys, and what is earlier.
        threshold: words in both, of words in either.
        window: rows that each is compared with.

    Returns:
        (m, 2) earlier and later id; each pair once, sorted. Of a later id at most FEW pairs, with its earliest likes.

    Raises:
        ValueError: ids do not ascend, or there are too many for one part.
    """
    if len(ids) > 2**32 or not (ids[1:] > ids[:-1]).all():
        raise ValueError(f"{len(ids)} rows of a part: give their ids in ascending order, and at most 2**32 of them")
    rows = _Rows.sorted(keys, bits, sizes, share=(1 - threshold) / (1 + threshold))
    found = _earliest([*_of_window(rows, window), *_of_heads(rows, window)])
    return np.column_stack(sorted_unique(ids[found & np.uint64(2**32 - 1)], ids[found >> np.uint64(32)]))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows with words, in the order of their keys."""

    order: npt.NDArray[np.uint32]
    keys: npt.NDArray[np.uint32]
    near: npt.NDArray[np.uint64]
    """The first bitmap."""
    slack: npt.NDArray[np.uint8]
    bits: npt.NDArray[np.uint64]
    """As given, not in order."""
    sizes: npt.NDArray[np.uint8]
    """As given, not in order."""
    share: float
    """Of both sizes together, how many words may differ."""

    @classmethod
    def sorted(
        cls, keys: npt.NDArray[np.uint32], bits: npt.NDArray[np.uint64], sizes: npt.NDArray[np.uint8], *, share: float
    ) -> Self:
        """Keys are sorted with their rows in one number.

        That is twice as quick as a stable argsort, and unlike the other kinds of argsort it gives the same order on
        every processor.
        """
        worded = sizes > 0
        packed = keys[worded].astype(np.uint64)
        packed <<= np.uint64(32)
        packed |= np.arange(len(keys), dtype=np.uint32)[worded]
        packed.sort()
        order = packed.astype(np.uint32)
        packed >>= np.uint64(32)
        keys = packed.astype(np.uint32)
        del packed
        return cls(order, keys, bits[0][order], _slack(sizes, share)[order], bits, sizes, share)

    def close(self, one: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
        """Of rows (k,) and (k,) those close by both bitmaps, as later row << 32 | earlier row."""
        far = np.bitwise_count(self.bits[:, one] ^ self.bits[:, other]).max(axis=0)
        mine, theirs = self.sizes[one], self.sizes[other]
        # A thousandth of a bit, so that no rounding loses a pair at the threshold itself.
        may = self.share * (mine.astype(np.float64) + theirs) + 0.001
        passed = ((far <= may) | (mine == MOST) | (theirs == MOST)) & (one != other)
        one, other = one[passed], other[passed]
        return np.maximum(one, other).astype(np.uint64) << np.uint64(32) | np.minimum(one, other)


def _slack(sizes: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.uint8]:
    """What rows add to the bits that may differ, in halves and rounded up: 64 bytes are compared at once, 16 floats."""
    table = np.minimum(np.ceil(2 * share * np.arange(MOST + 1)), _NEVER_FAR).astype(np.uint8)
    table[MOST] = _NEVER_FAR
    slack: npt.NDArray[np.uint8] = table[sizes]
    return slack


def _of_window(rows: _Rows, window: int) -> Iterator[npt.NDArray[np.uint64]]:
    """Close pairs of rows of which one is among the `window` next of the other and has the same prefix."""
    for start in range(0, len(rows.order), BLOCK):
        block = slice(start, start + BLOCK + window)
        order, near, slack = rows.order[block], rows.near[block], rows.slack[block]
        prefixes = (rows.keys[block] >> np.uint32(16)).astype(np.uint16)
        found = []
        for step in range(1, min(window, len(order) - 1) + 1):
            one, other = slice(0, min(BLOCK, len(order) - step)), slice(step, BLOCK + step)
            far = np.bitwise_count(near[one] ^ near[other])
            far += far
            at = np.flatnonzero((far <= slack[one] + slack[other]) & (prefixes[one] == prefixes[other]))
            found.append(rows.close(order[at], order[at + step]))
        yield _earliest(found)


def _of_heads(rows: _Rows, window: int) -> Iterator[npt.NDArray[np.uint64]]:
    """Close pairs of the earliest of many rows with like keys, and each other.

    Where a model has written a phrase in hundreds of ways, the window reaches few of them. But the earliest of all is
    kept, and nearly all others are like it. Of 100 phrases in 500 ways each, 99 % are dropped so, and 89 % without.
    """
    for depth in _HEADS:
        starts, ends = _runs(rows.keys >> np.uint32(32 - depth), longer_than=window + 1)
        if not len(starts):
            continue
        # The minima of runs and, left out again, of what lies between them; the last bound may be the end of all.
        bounds = np.column_stack([starts, ends]).ravel()
        heads = np.minimum.reduceat(rows.order, bounds[bounds < len(rows.order)])[::2]
        near, slack = rows.bits[0][heads], _slack(rows.sizes[heads], rows.share)
        for start in range(0, len(rows.order), BLOCK):
            inside = slice(np.searchsorted(ends, start, side="right"), np.searchsorted(starts, start + BLOCK))
            low, high = np.maximum(starts[inside], start), np.minimum(ends[inside], start + BLOCK)
            lengths = high - low
            at = np.repeat(low - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
            far = np.bitwise_count(rows.near[at] ^ np.repeat(near[inside], lengths))
            far += far
            close = far <= rows.slack[at] + np.repeat(slack[inside], lengths)
            yield rows.close(rows.order[at[close]], np.repeat(heads[inside], lengths)[close])


def _runs(values: npt.NDArray[np.uint32], *, longer_than: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and ends of long runs of a value, of sorted values."""
    inside = np.flatnonzero(values[longer_than:] == values[:-longer_than])
    starts = inside[changes(values[inside])]
    return starts, np.searchsorted(values, values[starts], side="right")


def _earliest(found: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """Pairs, each once and sorted, of each later row those with the FEW earliest rows."""
    pairs = np.concatenate([np.empty(0, np.uint64), *found])
    pairs.sort()
    pairs = pairs[changes(pairs)]
    first = np.flatnonzero(changes(pairs >> np.uint64(32)))
    rank = np.arange(len(pairs)) - np.repeat(first, np.diff(first, append=len(pairs)))
    return pairs[rank < FEW]


def unique_pairs(several: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Pairs (m, 2) of non-negative numbers of several lists, each once, sorted."""
    pairs = np.concatenate([np.empty((0, 2), np.int64), *several])
    return np.column_stack(sorted_unique(pairs[:, 0], pairs[:, 1]))


def sorted_unique(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of non-negative numbers, each once, sorted by the first and then by the second."""
    if not len(first):
        return first, second
    width = int(second.max()).bit_length()
    if int(first.max()).bit_length() + width <= 64:
        packed = first.astype(np.uint64)
        packed <<= np.uint64(width)
        packed |= second.astype(np.uint64)
        packed.sort()
        packed = packed[changes(packed)]
        low = packed & np.uint64(2**width - 1)
        packed >>= np.uint64(width)
        return packed.astype(np.int64), low.astype(np.int64)
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    fresh = changes(first) | changes(second)
    return first[fresh], second[fresh]


def changes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Where a value (n,) differs from the one before; the first does."""
    fresh = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=fresh[1:])
    return fresh
