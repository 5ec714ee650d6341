"""A phrase under judgement: a sentence with the forms of it that rules look at, each made once."""

import string
import unicodedata

import xxhash

# What is left of a phrase's UTF-8 without these is digits and signs; ordinary phrases leave nothing, which clears
# them of several rules at the cost of one bytes.translate.
ORDINARY = string.ascii_lowercase.encode() + b" .,'\"?!-;:" + bytes(range(0x80, 0x100))


class Phrase:
    """A sentence, which must not be blank, in all the forms that rules look at.

    `text` is the sentence; `folded` what text_hash is made from, `words` its words and `distinct` the set of them;
    `encoded` its UTF-8, and `odd` the digits and signs in that.
    """

    __slots__ = ("distinct", "encoded", "folded", "odd", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = words = folded_words(text)
        self.distinct = set(words)
        self.folded = folded = " ".join(words)
        self.encoded = encoded = folded.encode()
        self.odd = encoded.translate(None, ORDINARY)

    @property
    def inked(self) -> int:
        """Characters of the folded text that are no spaces."""
        return len(self.folded) - len(self.words) + 1  # folded text has one space between words


def folded_words(text: str) -> list[str]:
    """Words of the NFKC-casefolded text, punctuation and all."""
    if text.isascii():
        return text.lower().split()
    return unicodedata.normalize("NFKC", text).casefold().split()


def fold(text: str) -> str:
    """NFKC-casefolded and space-folded text: what makes two phrases the same."""
    return " ".join(folded_words(text))


def text_hash(text: str) -> int:
    """xxh3 (64 bits) of the folded text in UTF-8."""
    return xxhash.xxh3_64_intdigest(fold(text).encode())
