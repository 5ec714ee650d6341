"""Words of a shard's texts as numbers, and the figures that are counted over them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# distinct-n falls as a text grows, so it is taken over runs of one size: shards of 500 and of 25,000 compare.
WINDOW = 500
OPENING_WORDS = 3
NOT_A_WORD = r"[^\p{L}\p{M}\p{N}'’]+"


@dataclass(frozen=True, slots=True)
class Words:
    """Words of all phrases as numbers, end to end; phrase k has those from starts[k] to starts[k + 1]."""

    codes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    openings: pa.Array
    """The first OPENING_WORDS words of each phrase, in one string."""

    @property
    def count(self) -> int:
        """Words in all."""
        return len(self.codes)


def words_of(texts: pa.Array) -> Words:
    """Words of texts without nulls: runs of letters, digits and apostrophes, case folded."""
    folded = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))
    spaced = pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, NOT_A_WORD, " "))
    split = pc.utf8_split_whitespace(spaced)
    codes = split.flatten().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(pc.list_value_length(split).to_numpy(zero_copy_only=False))])
    openings = pc.binary_join(pc.list_slice(split, 0, OPENING_WORDS), " ")
    return Words(codes.astype(np.uint64), starts.astype(np.int64), openings)


def distinct(words: Words, n: int) -> float:
    """Different n-grams of all, each run of WINDOW phrases counted apart; 0 without n-grams."""
    phrase = np.repeat(np.arange(len(words.starts) - 1), np.diff(words.starts))
    base = words.codes.max(initial=0) + np.uint64(1)
    different = total = 0
    for first in range(0, len(words.starts) - 1, WINDOW):
        last = min(first + WINDOW, len(words.starts) - 1)
        window = slice(words.starts[first], words.starts[last])
        codes, owner = words.codes[window], phrase[window]
        count = max(0, len(codes) - n + 1)
        grams = np.zeros(count, np.uint64)
        for k in range(n):
            grams = grams * base + codes[k : k + count]
        grams = grams[owner[:count] == owner[n - 1 : n - 1 + count]]
        different += len(np.unique(grams))
        total += len(grams)
    return different / total if total else 0.0


def common_openings(words: Words, most: int) -> dict[str, int]:
    """Phrases by their opening, the most common ones first; ties by the alphabet."""
    counts = pc.value_counts(words.openings).to_pylist()
    counts.sort(key=lambda entry: (-entry["counts"], entry["values"]))
    return {entry["values"]: entry["counts"] for entry in counts[:most]}


def rows_with_opening(words: Words, opening: str, *, most: int) -> list[int]:
    """The first rows that begin with an opening."""
    rows: list[int] = pc.indices_nonzero(pc.equal(words.openings, opening)).slice(0, most).to_pylist()
    return rows


def compression_ratio(texts: pa.Array) -> float:
    """UTF-8 bytes of the texts over what zstd makes of them, each run of WINDOW phrases compressed apart."""
    raw = packed = 0
    for first in range(0, len(texts), WINDOW):
        content = "\n".join(texts.slice(first, WINDOW).to_pylist()).encode()
        raw += len(content)
        packed += len(pa.compress(content, codec="zstd", asbytes=True))
    return raw / packed if packed else 0.0
