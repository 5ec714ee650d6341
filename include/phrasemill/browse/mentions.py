"""Where a phrase names its lexemes: its text cut into pieces, those that name one marked with it.

A lexeme is found by its words in their order, without its article, in any inflected form: words are compared by their
Snowball stems, as the lexeme rule does. So 'the old lighthouse' is found in 'two old lighthouses', and 'старый маяк'
in 'на старом маяке'. What is not found so is no link in the text; a page lists all lexemes beside it.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from phrasemill.rules.lexemes import SNOWBALL, Stem, stemmer

WORD = re.compile(r"\w+")
BETWEEN = re.compile(r"[\s'’-]*")
"""What may stand between the words of one lexeme: no comma, no full stop."""
ARTICLES = frozenset({"a", "an", "the", "some"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; `slot` and `lexeme` are of the lexeme that it names, empty where it names none."""

    text: str
    slot: str = ""
    lexeme: str = ""


@dataclass(frozen=True, slots=True)
class _Word:
    stem: str
    start: int
    end: int


def pieces_of(text: str, slots: Mapping[str, str], *, language: str) -> list[Piece]:
    """The text in pieces, none empty; put together they are the text. Each lexeme is marked where it stands first.

    Longer lexemes come first, so that 'the lighthouse keeper' is not taken for 'the lighthouse'.
    """
    words = _words(text, language)
    marks: list[tuple[int, int, str]] = []
    wanted = {slot: [word.stem for word in _words(lexeme, language)] for slot, lexeme in slots.items()}
    for slot, stems in sorted(wanted.items(), key=lambda item: (-len(item[1]), item[0])):
        bare = stems[1:] if len(stems) > 1 and stems[0] in ARTICLES else stems
        place = next((span for span in _runs(text, words, bare) if not _overlaps(span, marks)), None)
        if place:
            marks.append((*place, slot))
    pieces, at = [], 0
    for start, end, slot in sorted(marks):
        pieces += [Piece(text[at:start]), Piece(text[start:end], slot, slots[slot])]
        at = end
    return [piece for piece in (*pieces, Piece(text[at:])) if piece.text]


def _words(text: str, language: str) -> list[_Word]:
    stem = _stem(language)
    return [_Word(stem(found[0].lower()), *found.span()) for found in WORD.finditer(text)]


def _runs(text: str, words: list[_Word], stems: list[str]) -> list[tuple[int, int]]:
    """Where these stems stand one after the other: start and end in the text."""
    found = []
    for first in range(len(words) - len(stems) + 1 if stems else 0):
        run = words[first : first + len(stems)]
        if [word.stem for word in run] != stems:
            continue
        gaps = itertools.pairwise(run)
        if all(BETWEEN.fullmatch(text, before.end, after.start) for before, after in gaps):
            found.append((run[0].start, run[-1].end))
    return found


def _overlaps(span: tuple[int, int], marks: list[tuple[int, int, str]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end, _ in marks)


@cache
def _stem(language: str) -> Stem:
    """The stem of small-letter words; the word itself in a language that has no stemmer here."""
    return stemmer(language) if language in SNOWBALL else str
