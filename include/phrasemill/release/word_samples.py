"""Which phrases have a word: how many, and some of them from all over the corpus, for search by word."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.release.forest import changes, sorted_unique
from phrasemill.release.tokens import BLOCK, Tokens, sorted_codes, tiles

OF_CHUNK, OF_ALL = 64, 500
"""Ids of a word that are kept of a chunk, and of all chunks together."""
SCHEMA = pa.schema([("word", pa.string()), ("phrases", pa.int64()), ("ids", pa.list_(pa.int64()))])
_RANGE = 2**11
"""Words of the largest table that are merged at a time."""


def word_samples(tokens: Tokens, ids: npt.NDArray[np.int64]) -> pa.Table:
    """The words of a chunk: how many of its phrases have each, and at most OF_CHUNK of them, spread evenly.

    Every id has a level, a half of them 0, a quarter 1 and so on, by a hash: templates and lexemes recur at even
    steps of ids, so every second phrase may be of one template. Of a word with many phrases only those of high levels
    are looked at, twice to four times as many as are kept. A chunk of 10,000,000 words takes 0.4 s so.

    Args:
        tokens: of the chunk.
        ids: (phrases,) ascending.

    Returns:
        SCHEMA, sorted by word.
    """
    phrases = np.zeros(len(tokens.words), np.int64)
    for rows in tiles(np.diff(tokens.starts)):
        codes = sorted_codes(tokens, rows)
        fresh = np.ones(codes.shape, np.bool_)
        np.not_equal(codes[1:], codes[:-1], out=fresh[1:])
        phrases += np.bincount(codes[fresh], minlength=len(phrases))
    order = pc.sort_indices(tokens.words)
    places = np.empty(len(order), np.int64)
    places[order.to_numpy(zero_copy_only=False)] = np.arange(len(order))
    owner, sample = _of_high_levels(tokens, ids, phrases, places)
    owner, sample = _evenly(owner, sample, OF_CHUNK)
    counts = np.empty_like(phrases)
    counts[places] = phrases
    return _table(tokens.words.take(order), counts, owner, sample)


def merge_word_samples(
    tables: Sequence[pa.Table],
    kept: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]],
    *,
    most: int = OF_ALL,
) -> pa.Table:
    """The words of all chunks: phrases added up, and at most `most` kept ids of each, spread evenly over all.

    Args:
        tables: what `word_samples` made of each chunk.
        kept: says of ids which are kept.
        most: ids of a word at most.

    Returns:
        SCHEMA, sorted by word. A word whose phrases are all dropped has no ids.
    """
    merged = [_merged(pieces, kept, most) for pieces in _by_words(tables)]
    return pa.concat_tables([SCHEMA.empty_table(), *merged]).combine_chunks()


def _of_high_levels(
    tokens: Tokens, ids: npt.NDArray[np.int64], phrases: npt.NDArray[np.int64], places: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of words and ids of phrases that have them, each pair once and sorted, of the levels looked at."""
    level = _levels(ids)
    enough = np.maximum(phrases // (2 * OF_CHUNK), 1)
    wanted = (np.frexp(enough)[1] - 1).astype(np.uint8)
    owners, samples = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, tokens.phrases, BLOCK):
        block = slice(start, min(start + BLOCK, tokens.phrases))
        bounds = tokens.starts[block.start : block.stop + 1]
        codes, lengths = tokens.codes[bounds[0] : bounds[-1]], np.diff(bounds)
        at = np.flatnonzero(np.repeat(level[block], lengths) >= wanted[codes])
        owners.append(places[codes[at]])
        samples.append(np.repeat(ids[block], lengths)[at])
    return sorted_unique(np.concatenate(owners), np.concatenate(samples))


def _levels(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """How many zeros a hash of the id ends with (the last steps of splitmix64; Steele, Lea, Flood 2014)."""
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.bitwise_count((mixed & -mixed) - np.uint64(1))


def _evenly(
    owner: npt.NDArray[np.int64], sample: npt.NDArray[np.int64], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of rows sorted by owner and id, at most `most` of each owner, at even steps."""
    if not len(owner):
        return owner, sample
    first = np.flatnonzero(changes(owner))
    sizes = np.diff(first, append=len(owner))
    rank, size = np.arange(len(owner)) - np.repeat(first, sizes), np.repeat(np.maximum(sizes, most), sizes)
    chosen = (rank + 1) * most // size > rank * most // size
    return owner[chosen], sample[chosen]


def _table(
    words: pa.Array, phrases: npt.NDArray[np.int64], owner: npt.NDArray[np.int64], sample: npt.NDArray[np.int64]
) -> pa.Table:
    offsets = np.searchsorted(owner, np.arange(len(words) + 1)).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(sample))
    return pa.table([words, pa.array(phrases), lists], schema=SCHEMA)


def _by_words(tables: Sequence[pa.Table]) -> Iterator[list[pa.Table]]:
    """All rows of the tables, by ranges of words: so little is held twice."""
    tables = [table.combine_chunks() for table in tables if table.num_rows]
    if not tables:
        return
    largest = max(tables, key=lambda table: table.num_rows)["word"]
    bounds = largest.take(pa.array(np.arange(_RANGE, len(largest), _RANGE))).combine_chunks()
    cuts = [
        [0, *pc.search_sorted(table["word"].combine_chunks(), bounds).to_pylist(), table.num_rows] for table in tables
    ]
    for number in range(len(bounds) + 1):
        yield [table.slice(cut[number], cut[number + 1] - cut[number]) for table, cut in zip(tables, cuts, strict=True)]


def _merged(
    pieces: list[pa.Table], kept: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]], most: int
) -> pa.Table:
    rows = pa.concat_tables(pieces).combine_chunks()
    encoded: Any = rows["word"].combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    places = np.empty(len(order), np.int64)
    places[order.to_numpy(zero_copy_only=False)] = np.arange(len(order))
    place = places[encoded.indices.to_numpy(zero_copy_only=False)]
    phrases = np.zeros(len(order), np.int64)
    np.add.at(phrases, place, rows["phrases"].to_numpy())
    lists = rows["ids"].combine_chunks()
    sample = lists.flatten().to_numpy(zero_copy_only=False)
    owner = np.repeat(place, pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    mask = kept(sample)
    owner, sample = _evenly(*sorted_unique(owner[mask], sample[mask]), most)
    return _table(encoded.dictionary.take(order), phrases, owner, sample)
