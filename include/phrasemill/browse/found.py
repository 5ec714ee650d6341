"""What is found in a release: phrases, links, lexemes, and lists of phrases by the page."""

from dataclasses import dataclass

PHRASES_SHOWN = 20
"""On a page. Phrases of a word are spread over the release, and each may lie in a row group of its own."""
SCENE = "scene"
"""What a link to the next phrase of the scene says of itself; all others say '<slot>: <lexeme>'."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase with its coordinates."""

    phrase_id: int
    text: str
    template: str
    scene: int
    slots: dict[str, str]
    """By slot, the base form of its lexeme."""
    language: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link out of a phrase."""

    to_id: int
    why: str
    weight: float

    @property
    def in_words(self) -> str:
        """Why, for people."""
        return "next in the scene" if self.why == SCENE else self.why


@dataclass(frozen=True, slots=True)
class Step:
    """A phrase of a walk, and the link that led to it; None for the first."""

    phrase: Phrase
    link: Link | None


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A lexeme of the release, and how many of its phrases have it."""

    slot: str
    lexeme: str
    phrases: int
    linked: bool
    """Whether it is rare enough to link phrases by."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list of phrases."""

    phrases: tuple[Phrase, ...]
    listed: int
    """Phrases of the whole list: the index lists some hundreds of each lexeme and word."""
    page: int
    """Counted from 1."""
    pages: int


@dataclass(frozen=True, slots=True)
class LexemeFound:
    """A lexeme and phrases that have it."""

    lexeme: Lexeme
    listing: Listing


@dataclass(frozen=True, slots=True)
class WordFound:
    """Words that were looked for, and phrases that have them all."""

    words: tuple[str, ...]
    rarest: str
    phrases: int
    """Phrases of the corpus that have the rarest of them, those that the release left out included."""
    listing: Listing
    checked: bool
    """Whether a page's phrases were picked out of more that have the rarest word, by reading them."""
