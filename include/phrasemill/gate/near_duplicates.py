"""Near-duplicates: phrases that have at least 70 % of their words in common with an earlier one of their shard.

MinHash over the set of words, 128 permutations, indexed by LSH (rensa): 25,000 phrases take 0.2 s. Single words and
not word pairs: a phrase of fourteen words with two of them exchanged is a near-duplicate to a reader, and has 75 % of
its words but only 60 % of its pairs.
"""

import itertools
from dataclasses import dataclass

from phrasemill.gate.words import Words

THRESHOLD, PERMUTATIONS, SEED = 0.7, 128, 42


@dataclass(frozen=True, slots=True)
class Pair:
    """A near-duplicate and the earlier phrase it is like, as row numbers."""

    row: int
    earlier: int
    similarity: float
    """Words in both, of words in either."""


def near_duplicates(words: Words, *, pairs: int, threshold: float = THRESHOLD) -> tuple[int, list[Pair]]:
    """How many phrases are near-duplicates of an earlier one, and some of them with what they are like.

    Args:
        words: of all phrases.
        pairs: how many to find the like of; evenly spread over all there are.
        threshold: the least share of words in both, of words in either.
    """
    import rensa  # noqa: PLC0415 - the gate's alone; the mill runs where it is not installed

    codes, starts = words.codes.astype(str).tolist(), words.starts.tolist()
    sets = [codes[first:last] for first, last in itertools.pairwise(starts)]
    hashes = rensa.RMinHash.from_token_sets(sets, PERMUTATIONS, SEED)
    index = rensa.RMinHashDeduplicator(threshold, PERMUTATIONS, True, seed=SEED)
    # A phrase without words is like every other such, and is no near-duplicate.
    rows = [row for row, tokens in enumerate(sets) if tokens]
    added = index.add_pairs([(str(row), hashes[row]) for row in rows])
    repeats = [row for row, fresh in zip(rows, added, strict=True) if not fresh]
    step = max(1, len(repeats) // max(1, pairs))
    found = []
    for row in repeats[::step][:pairs]:
        likes = [(_jaccard(sets[row], sets[int(key)]), int(key)) for key in index.get_duplicates(hashes[row])]
        if likes:
            similarity, earlier = max(likes, key=lambda like: (like[0], -like[1]))
            found.append(Pair(row, earlier, round(similarity, 3)))
    return len(repeats), found


def _jaccard(one: list[str], other: list[str]) -> float:
    mine, theirs = set(one), set(other)
    return len(mine & theirs) / len(mine | theirs)
