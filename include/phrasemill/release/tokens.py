"""Words of many phrases as numbers: the same words as `gate.words` finds, for chunks of 500,000 phrases.

A million phrases of 160 bytes have 20,000,000 words, but far fewer different ones, commas and all. So texts are cut at
spaces alone, and only the different pieces are folded: 1 s a million phrases on one core, where folding whole texts
takes 5 s.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from phrasemill.gate.words import NOT_A_WORD

BLOCK = 16_384
"""Rows that are looked at together: what is made of their words stays in a core's cache."""
CELLS = 2**16
"""Words of a tile at most, filled-up ones included: one phrase of 500 words does not widen the rows of all others."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Words of all phrases of a chunk, end to end; phrase k has those from starts[k] to starts[k + 1]."""

    words: pa.Array
    """The chunk's different words, each once."""
    codes: npt.NDArray[np.int32]
    """Places in `words`."""
    starts: npt.NDArray[np.int64]
    """(phrases + 1,)."""
    hashes: npt.NDArray[np.uint64]
    """xxh3_64 of each of `words`: the same in all chunks, where codes are not."""

    @property
    def phrases(self) -> int:
        """Phrases of the chunk."""
        return len(self.starts) - 1


def tokens_of(texts: pa.Array) -> Tokens:
    """Words of texts, strings of any type without nulls and less than 2 GiB in all.

    They are those of `gate.words.words_of`, but that a text without words has none here and one empty word there.
    """
    texts = texts.cast(pa.string())
    bounds, firsts = _bounds(texts)
    pieces = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), texts.buffers()[2]).dictionary_encode()
    folded = pc.utf8_lower(pc.utf8_normalize(pieces.dictionary, "NFKC"))
    # Spaces come from the replacement alone, so empty strings between them are no words.
    parts = pc.split_pattern(pc.replace_substring_regex(folded, NOT_A_WORD, " "), " ")
    flat = parts.flatten()
    is_word = pc.not_equal(flat, "")
    owner = pc.list_parent_indices(parts).filter(is_word).to_numpy(zero_copy_only=False)
    words = flat.filter(is_word).dictionary_encode()
    per_piece = np.bincount(owner, minlength=len(folded)).astype(np.int64)
    codes, starts = _spread(
        pieces.indices.to_numpy(zero_copy_only=False), firsts, words.indices.to_numpy(zero_copy_only=False), per_piece
    )
    distinct = words.dictionary
    hashes = np.fromiter(
        map(xxhash.xxh3_64_intdigest, distinct.cast(pa.binary()).to_pylist()), np.uint64, len(distinct)
    )
    return Tokens(distinct, codes, starts, hashes)


def _bounds(texts: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Where pieces begin and the last ends, in bytes of the texts' buffer; which piece is the first of each text.

    A piece keeps the space at its end, so pieces lie end to end and no byte is copied: `split_pattern` takes four
    times as long as this.
    """
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    bounds, firsts, pieces = [], np.empty(len(offsets), np.int64), 0
    for start in range(0, len(offsets), BLOCK):
        # The first offset of the next block closes this one's last text; the very last has no text after it.
        block = offsets[start : start + BLOCK + 1]
        begins = np.zeros(block[-1] - block[0] + 1, np.bool_)
        np.equal(content[block[0] : block[-1]], ord(" "), out=begins[1:])
        begins[block - block[0]] = True
        inside = np.flatnonzero(begins)
        firsts[start : start + BLOCK] = np.searchsorted(inside, block[:BLOCK] - block[0]) + pieces
        bounds.append(inside[: -1 if len(block) > BLOCK else None].astype(np.int32) + block[0])
        pieces += len(inside) - 1
    return np.concatenate(bounds), firsts


def _spread(
    pieces: npt.NDArray[np.int32],
    firsts: npt.NDArray[np.int64],
    words: npt.NDArray[np.int32],
    per_piece: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Words of all pieces end to end, and where each text's begin, of the words of each different piece."""
    if bool((per_piece == 1).all()):
        return words[pieces], firsts
    first_word = _ends(per_piece)
    codes, starts, count = [np.empty(0, np.int32)], np.empty_like(firsts), 0
    for start in range(0, len(pieces), 4 * BLOCK):
        block = pieces[start : start + 4 * BLOCK]
        counts = per_piece[block]
        ends = _ends(counts)
        codes.append(words[np.repeat(first_word[block] - ends[:-1], counts) + np.arange(ends[-1])])
        inside = slice(*np.searchsorted(firsts, (start, start + len(block))))
        starts[inside] = ends[firsts[inside] - start] + count
        count += int(ends[-1])
    starts[np.searchsorted(firsts, len(pieces)) :] = count
    return np.concatenate(codes), starts


def _ends(lengths: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


def tiles(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Rows that have words, in tiles of rows near one another and alike in length.

    Args:
        lengths: words of each row.

    Yields:
        Row numbers; the longest of them is the last one. A tile has at most CELLS cells, or one row.
    """
    for start in range(0, len(lengths), BLOCK):
        block = lengths[start : start + BLOCK]
        order = np.argsort(block, kind="stable")
        order = order[np.count_nonzero(block == 0) :]
        widths = block[order]
        while len(order):
            size = max(1, int(np.searchsorted(widths * np.arange(1, len(widths) + 1), CELLS, side="right")))
            yield order[:size] + start
            order, widths = order[size:], widths[size:]


def sorted_codes(tokens: Tokens, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Words of a tile, (longest, rows): each column one phrase's in ascending order, one repeated to fill it up."""
    first, last = tokens.starts[rows], tokens.starts[rows + 1] - 1
    width = int(last[-1] - first[-1]) + 1
    codes = np.empty((width, len(rows)), np.int32)
    for k in range(width):
        np.take(tokens.codes, np.minimum(first + k, last), out=codes[k])
    codes.sort(axis=0)
    return codes


def word_sets(tokens: Tokens, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Hashes of the words of some phrases, end to end, with repeats.

    Returns:
        hashes, and starts (rows + 1,): row k has hashes[starts[k]:starts[k + 1]].
    """
    first = tokens.starts[rows]
    lengths = tokens.starts[rows + 1] - first
    starts = _ends(lengths)
    at = np.repeat(first - starts[:-1], lengths) + np.arange(starts[-1])
    return tokens.hashes[tokens.codes[at]], starts
