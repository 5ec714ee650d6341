"""Sketches: what finding near-duplicates needs of a phrase, 49 bytes whatever its length.

MinHash (Broder 1997) over the set of words: two phrases have the least hash in common as often as words in both are
of words in either. A band's key has 32 bits. The first 16 are of a hash of FIRST minima, and phrases that differ in
them are never compared; 4 bits each of DEEPER more minima only order those that agree, so the most alike stand next
to one another (LSH forest: Bawa, Condie, Ganesan 2005).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from phrasemill.release.plan import BANDS
from phrasemill.release.tokens import Tokens, sorted_codes, tiles

FIRST, DEEPER = 3, 4
MOST = 255
"""Sizes stop here: a phrase of so many words may have any more."""
_MINIMA = FIRST + DEEPER


def _odd(label: str) -> npt.NDArray[np.uint32]:
    """Odd multipliers (BANDS, _MINIMA) that are the same everywhere: numpy's generators may change with versions."""
    names = [f"phrasemill sketch {label} {k}" for k in range(BANDS * _MINIMA)]
    drawn = [xxhash.xxh3_64_intdigest(name.encode()) & 0xFFFFFFFF | 1 for name in names]
    return np.array(drawn, np.uint32).reshape(BANDS, _MINIMA)


_BEFORE, _AFTER = _odd("before"), _odd("after")


@dataclass(frozen=True, slots=True)
class Sketch:
    """Of n phrases."""

    keys: npt.NDArray[np.uint32]
    """(BANDS, n)."""
    bits: npt.NDArray[np.uint64]
    """(2, n): two bitmaps, each with a bit set for every word. Two phrases' differ in no more bits than words."""
    sizes: npt.NDArray[np.uint8]
    """(n,): different words, at most MOST; 0 has no words, and keys and bits of 0."""


def sketch_of(tokens: Tokens) -> Sketch:
    """Sketches of all phrases of a chunk. They follow from each phrase's words alone."""
    n = tokens.phrases
    keys, bits, sizes = np.zeros((BANDS, n), np.uint32), np.zeros((2, n), np.uint64), np.zeros(n, np.uint8)
    hashes = (tokens.hashes >> np.uint64(32)).astype(np.uint32)
    for rows in tiles(np.diff(tokens.starts)):
        codes = sorted_codes(tokens, rows)
        sizes[rows] = np.minimum(1 + np.count_nonzero(codes[1:] != codes[:-1], axis=0), MOST)
        words = hashes[codes]
        bits[:, rows] = _bitmaps(words)
        keys[:, rows] = _keys(words)
    return Sketch(keys, bits, sizes)


def _bitmaps(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """(2, rows) of (longest, rows) hashes: by their highest 6 bits, and by their lowest."""
    bits = np.zeros((2, words.shape[1]), np.uint64)
    for word in words:
        bits[0] |= np.uint64(1) << (word >> np.uint32(26)).astype(np.uint64)
        bits[1] |= np.uint64(1) << (word & np.uint32(63)).astype(np.uint64)
    return bits


def _keys(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """(BANDS, rows) of (longest, rows) hashes."""
    keys = np.empty((BANDS, words.shape[1]), np.uint32)
    hashed, shifted = np.empty_like(words), np.empty_like(words)
    for band in range(BANDS):
        group, key = np.zeros(words.shape[1], np.uint32), keys[band]
        for k in range(_MINIMA):
            np.multiply(words, _BEFORE[band, k], out=hashed)
            np.right_shift(hashed, np.uint32(16), out=shifted)
            np.bitwise_xor(hashed, shifted, out=hashed)
            np.multiply(hashed, _AFTER[band, k], out=hashed)
            least = hashed.min(axis=0)
            if k < FIRST:
                group = (group ^ least) * np.uint32(0x9E3779B1)
                group ^= group >> np.uint32(15)
                key[:] = group >> np.uint32(16)
            else:
                key[:] = key << np.uint32(4) | (least * np.uint32(0x85EBCA6B)) >> np.uint32(28)
    return keys
