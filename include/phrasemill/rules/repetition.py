"""The repetition rule: character runs, words said three times in a row, repeated runs of four words."""

import itertools
import operator
import re
from collections.abc import Iterator

from phrasemill.rules.phrase import Phrase

RUN_WORDS = 4
MARKS = ".,!?…:;\"'“”«»„‘’()"
CHARACTER_RUN = re.compile(r"(.)\1\1\1")  # faster than \1{3}, and folded text has no run of spaces
SAID_THRICE = re.compile(r"\b(\w+)\W+\1\W+\1\b")


def repeats_itself(phrase: Phrase) -> bool:
    """Whether a phrase repeats characters, a word or a run of words."""
    return _said_again(phrase) is not None


def tell_repetition(phrase: Phrase) -> str:
    """What is said again."""
    return repr(again) if (again := _said_again(phrase)) else ""


def _said_again(phrase: Phrase) -> str | None:
    words = phrase.words
    repeated = len(words) - len(phrase.distinct)
    # A second run repeats each of its words, and each pair of them, but the last may carry another mark.
    if repeated >= RUN_WORDS - 1 and len(set(itertools.pairwise(words))) <= len(words) - RUN_WORDS + 1:
        seen: set[tuple[str, ...]] = set()
        for run in runs([word.strip(MARKS) for word in words], RUN_WORDS):
            if run in seen:
                return " ".join(run)
            seen.add(run)
    if repeated and any(map(operator.eq, words, words[1:])) and (thrice := SAID_THRICE.search(phrase.folded)):
        return thrice[0]
    run_found = CHARACTER_RUN.search(phrase.folded)
    return run_found[0] if run_found and not run_found[1].isdigit() else None


def runs(words: list[str], length: int) -> Iterator[tuple[str, ...]]:
    """All runs of `length` words."""
    return zip(*(words[start:] for start in range(length)), strict=False)
