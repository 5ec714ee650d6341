"""Tells whether a phrase copies a run of words from its own prompt, the scene line above all. Pure.

Small models like to give a scene back as it was told. A phrase may use the prompt's lexemes, so only a run longer
than any two of them counts.

Both texts are compared as UTF-8: bytes.translate cleans them in a fraction of the time that str.translate takes,
which looks every character of a Russian text up in a dict.
"""

import string

COPIED_WORDS = 6
PROBE_WORDS = 3  # every run of 6 words holds a run of 3 that begins at a multiple of 3
PUNCTUATION = string.punctuation.encode()
SMALL = bytes.maketrans(string.ascii_uppercase.encode() + b"\n", string.ascii_lowercase.encode() + b" ")
MARKS = [mark.encode() for mark in "«»„“”‘’…—–"]


def copies_prompt(text: str, prompt: str) -> bool:
    """Whether COPIED_WORDS words in a row of the text stand in the prompt, case and punctuation apart."""
    words = _plain(text).split()
    told = b" %b " % _plain(prompt)
    for start in range(0, len(words) - PROBE_WORDS + 1, PROBE_WORDS):
        if b" %b %b %b " % (words[start], words[start + 1], words[start + 2]) in told:
            first = max(0, start - PROBE_WORDS)
            last = min(start, len(words) - COPIED_WORDS)
            if any(b" %b " % b" ".join(words[k : k + COPIED_WORDS]) in told for k in range(first, last + 1)):
                return True
    return False


def _plain(text: str) -> bytes:
    if text.isascii():
        return text.encode().translate(SMALL, PUNCTUATION)
    plain = text.lower().encode("utf-8", "replace").translate(SMALL, PUNCTUATION)
    for mark in MARKS:
        plain = plain.replace(mark, b"")
    return plain
