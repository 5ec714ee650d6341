"""Tells whether a phrase copies a run of words from its own prompt, the scene line above all. Pure.

Small models like to give a scene back as it was told. A phrase may use the prompt's lexemes, so only a run longer
than any two of them counts.
"""

import string

COPIED_WORDS = 6
PROBE_WORDS = 3  # every run of 6 words holds a run of 3 that begins at a multiple of 3
PLAIN = str.maketrans("\n", " ", string.punctuation + "«»„“”‘’…—–")


def copies_prompt(text: str, prompt: str) -> bool:
    """Whether COPIED_WORDS words in a row of the text stand in the prompt, case and punctuation apart."""
    words = text.lower().translate(PLAIN).split()
    told = f" {prompt.lower().translate(PLAIN)} "
    for start in range(0, len(words) - PROBE_WORDS + 1, PROBE_WORDS):
        if _stands_in(told, words[start : start + PROBE_WORDS]):
            first = max(0, start - PROBE_WORDS)
            last = min(start, len(words) - COPIED_WORDS)
            if any(_stands_in(told, words[k : k + COPIED_WORDS]) for k in range(first, last + 1)):
                return True
    return False


def _stands_in(told: str, words: list[str]) -> bool:
    return f" {' '.join(words)} " in told
