"""Which phrase of several alike is kept: always the one with the lowest id, so that a release only ever grows."""

import numpy as np
import numpy.typing as npt

from phrasemill.release.forest import changes
from phrasemill.release.tokens import tiles

_RUN = 2**20
"""Pairs that are Python numbers at a time: 100 MB."""


def exact_repeats(hashes: npt.NDArray[np.uint64], ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Phrases whose text hash an earlier one has. Takes about 40 bytes of memory a row, its arguments included.

    Args:
        hashes: (n,) of the normalised texts.
        ids: (n,), in any order.

    Returns:
        (m, 2) of each such id, and the lowest id with the same hash; sorted.
    """
    order = np.argsort(hashes)
    ordered = hashes[order]
    again = np.zeros(len(hashes) + 1, np.bool_)
    np.equal(ordered[1:], ordered[:-1], out=again[1:-1])
    shared = again[:-1] | again[1:]
    # Few phrases share a hash, so only theirs are sorted by id too.
    group, members = np.cumsum(~again[:-1][shared]), ids[order[shared]]
    by_id = np.lexsort((members, group))
    group, members = group[by_id], members[by_id]
    first = changes(group)
    kept = members[first][np.cumsum(first) - 1]
    repeats = np.column_stack([members[~first], kept[~first]])
    return repeats[np.argsort(repeats[:, 0])]


def similarities(
    pairs: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """How alike phrases are: words in both, of words in either (Jaccard).

    Args:
        pairs: (m, 2) of ids.
        ids: (k,) of phrases whose words are known, ascending; all of `pairs` among them.
        words: their words' hashes, end to end in the order of `ids`; a phrase's in any order, repeats not counted.
        starts: (k + 1,): words of ids[i] are words[starts[i]:starts[i + 1]].

    Returns:
        (m,): 0 where one of both has no words.

    Raises:
        ValueError: a pair's phrase is not among `ids`.
    """
    places = np.searchsorted(ids, pairs)
    if len(pairs) and (not len(ids) or (ids[np.minimum(places, len(ids) - 1)] != pairs).any()):
        raise ValueError("a pair names a phrase whose words are not given; gather the words of all pairs' phrases")
    first, length = starts[places], np.diff(starts)[places]
    alike = np.zeros(len(pairs), np.float32)
    for rows in tiles(np.where(length.all(axis=1), length.sum(axis=1), 0)):
        alike[rows] = _jaccard(words, first[rows], length[rows])
    return alike


def _jaccard(
    words: npt.NDArray[np.uint64], first: npt.NDArray[np.int64], length: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Of rows (n, 2).

    All words of both sides are sorted together with the side in the lowest bit. Then a word of both is where an even
    number is followed by the same plus one, however often each comes; so the last may be repeated to fill rows up.
    """
    both = np.empty((len(first), int(length.sum(axis=1).max())), np.uint64)
    cells = np.arange(both.shape[1])
    second = cells >= length[:, :1]
    at = np.where(second, cells - length[:, :1], cells)
    side = second.astype(np.int64)
    np.minimum(at, np.take_along_axis(length, side, axis=1) - 1, out=at)
    at += np.take_along_axis(first, side, axis=1)
    np.bitwise_or(words[at] & ~np.uint64(1), second, out=both)
    both.sort(axis=1)
    before, after = both[:, :-1], both[:, 1:]
    shared = np.count_nonzero((before ^ after == 1), axis=1)
    union = np.count_nonzero(before >> np.uint64(1) != after >> np.uint64(1), axis=1) + 1
    alike: npt.NDArray[np.float64] = shared / union
    return alike


def keep_first(
    pairs: npt.NDArray[np.int64], similarity: npt.NDArray[np.float32], threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Drop, in the order of ids, every phrase that is like an earlier one that is itself kept.

    Args:
        pairs: (m, 2) of earlier and later id, each pair once; quickest if sorted.
        similarity: (m,) of each pair.
        threshold: the least that makes two phrases alike.

    Returns:
        dropped (d,) ascending; kept (d,), the phrase that each is most like of those kept, the lowest id of several;
        similarity (d,) of both.
    """
    alike = similarity >= np.float32(threshold)
    pairs, similarity = pairs[alike], similarity[alike]
    order = np.lexsort((pairs[:, 0], -similarity, pairs[:, 1]))
    # np.unique takes 8 s for 10,000,000 numbers, and a search of unsorted ones five times as long as of sorted ones.
    ids = np.sort(pairs, axis=None)
    ids = ids[changes(ids)]
    earlier, later = np.searchsorted(ids, pairs[:, 0])[order], np.searchsorted(ids, pairs[order, 1])
    gone = bytearray(len(ids))
    chosen: list[int] = []
    # All pairs in which a phrase is the later one come before those in which it is the earlier one, so whether that
    # one is kept is known here.
    for start in range(0, len(order), _RUN):
        run = slice(start, start + _RUN)
        for at, (one, other) in enumerate(zip(earlier[run].tolist(), later[run].tolist(), strict=True), start):
            if not gone[one] and not gone[other]:
                gone[other] = 1
                chosen.append(at)
    found = order[chosen]
    return pairs[found, 1], pairs[found, 0], similarity[found]
