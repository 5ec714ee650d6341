"""The lexeme rule: a phrase names at least as many of its prompt's lexemes as its template requires.

A lexeme is named when one word of it stands in the phrase, in any inflected form: words are compared by their
Snowball stems. Articles, prepositions and other words of at most two letters, or in COMMON_WORDS, name nothing. All
forms of a lexeme count, so that stems which change (день, дня) can be helped along in the lexicon.
"""

import itertools
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from phrasemill.prompts import PromptBook
from phrasemill.rules.packages import rule_package
from phrasemill.spec import CorpusSpec
from phrasemill.templates import Lexeme, lexeme_base

SNOWBALL = {"en": "english", "ru": "russian"}
STEMS_KEPT = 1 << 17  # a stem takes 10 to 40 us to make, and a corpus has some ten thousand words
PAGE_IDS, PAGES_KEPT = 1024, 16  # lists in flight lie a few thousand ids apart
WORD = re.compile(r"\w+")
SHORT_CHARS = 2
# fmt: off
COMMON_WORDS = frozenset({
    "the", "and", "for", "from", "with", "into", "over", "under", "about", "near", "past", "along", "behind",
    "after", "before", "one", "two", "three", "his", "her", "its", "their", "что", "как", "для", "без", "при",
    "над", "под", "про", "между", "через", "после", "перед", "около", "возле", "один", "одна", "одно", "два", "две",
    "три", "его", "её", "их", "который", "которая", "которое", "все", "всё",
})
# fmt: on

Stem = Callable[[str], str]
Coordinates = tuple[str, dict[str, str]]  # a template's name; by lexicon, the base form of the lexeme


class LexemeRule:
    """Tells which lexemes a phrase names, and how many its template requires."""

    def __init__(self, spec: CorpusSpec, book: PromptBook) -> None:
        self._book = book
        self._page = lru_cache(maxsize=PAGES_KEPT)(self._look_up_page)
        self._required = {t.name: t.required_lexemes for t in spec.prompts.templates if t.required_lexemes}
        self._stem = stemmer(spec.language)
        self._stems = {
            (name, lexeme_base(lexeme)): self._stems_of_lexeme(lexeme)
            for name, lexemes in spec.prompts.lexicons.items()
            for lexeme in lexemes
        }

    @classmethod
    def of(cls, spec: CorpusSpec, book: PromptBook) -> "LexemeRule | None":
        """The rule of a corpus; None if no template of it requires a lexeme."""
        return cls(spec, book) if any(t.required_lexemes for t in spec.prompts.templates) else None

    def coordinates(self, ids: list[int], attempts: list[int]) -> list[Coordinates]:
        """Template and slots of each id at its attempt.

        The book takes 20 us an id for a list of 64, and 2 us for a page. Fresh lists are runs of ids in order, so
        theirs are looked up a page at a time.
        """
        first, last, attempt = ids[0], ids[-1], attempts[0]
        if ids != list(range(first, last + 1)) or attempts.count(attempt) != len(attempts):
            return self._look_up(ids, attempts)
        pages = range(first // PAGE_IDS, last // PAGE_IDS + 1)
        found = [one for page in pages for one in self._page(page, attempt)]
        start = first - pages[0] * PAGE_IDS
        return found[start : start + len(ids)]

    def _look_up_page(self, page: int, attempt: int) -> list[Coordinates]:
        return self._look_up(list(range(page * PAGE_IDS, (page + 1) * PAGE_IDS)), [attempt] * PAGE_IDS)

    def _look_up(self, ids: list[int], attempts: list[int]) -> list[Coordinates]:
        table = self._book.coordinates(np.array(ids, dtype=np.int64), np.array(attempts, dtype=np.int64))
        slots = table.column("slots").combine_chunks()
        # Three flat lists of strings: maps, one by one, take pyarrow three times as long.
        pairs = list(zip(slots.keys.to_pylist(), slots.items.to_pylist(), strict=True))
        each = itertools.pairwise(slots.offsets.to_pylist())
        templates = table.column("template").to_pylist()
        return [(name, dict(pairs[start:end])) for name, (start, end) in zip(templates, each, strict=True)]

    def required(self, template: str) -> int:
        """How many lexemes a phrase of the template must name."""
        return self._required.get(template, 0)

    def lacks(self, text: str, template: str, slots: Mapping[str, str]) -> bool:
        """Whether a phrase names too few of its lexemes; `slots` maps lexicons to base forms, as rows have them."""
        required = self._required.get(template)
        return required is not None and len(self.named(text, slots)) < required

    def named(self, text: str, slots: Mapping[str, str]) -> list[str]:
        """The lexicons whose lexeme the phrase names."""
        said = set(map(self._stem, WORD.findall(text.lower())))
        return [name for name, base in slots.items() if not self._stems[name, base].isdisjoint(said)]

    def _stems_of_lexeme(self, lexeme: Lexeme) -> frozenset[str]:
        words = WORD.findall(" ".join([lexeme] if isinstance(lexeme, str) else lexeme.values()).lower())
        telling = [word for word in words if len(word) > SHORT_CHARS and word not in COMMON_WORDS]
        return frozenset(map(self._stem, telling or words))


def stemmer(language: str) -> Stem:
    """The Snowball stem of a small-letter word of the language, remembered."""
    package = rule_package("snowballstemmer", "missing_lexemes")
    stem: Stem = package.stemmer(SNOWBALL[language]).stemWord
    return lru_cache(maxsize=STEMS_KEPT)(stem)
