"""Phrase rules: an engine's answer -> an accepted text, or the name of the rule that rejects it. Pure.

The rules run in the order of REASONS; the first that objects names the reject. Document heuristics (C4, Gopher,
FineWeb) misfire on 100 characters, so these are made for single sentences.

This is the hot path of the mill's process: a typical answer is judged in about 10 us. Hence each rule first asks
something that costs a fraction of a microsecond and clears nearly every phrase, and only then looks closely.
"""

import itertools
import operator
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import xxhash

from phrasemill.listing import list_request
from phrasemill.meta import is_meta
from phrasemill.sentences import first_sentence
from phrasemill.spec import CorpusSpec
from phrasemill.templates import SLOT

REASONS = {
    "empty": "the engine answered nothing, or white space",
    "control_characters": "control, direction-changing, private or broken Unicode characters",
    "no_sentence": "nothing in the answer ends like a sentence: it was cut, or is a fragment",
    "too_short": "fewer characters or words than the rules ask for",
    "too_long": "more characters or words than the rules allow",
    "markup": "a link, HTML, markdown, a list or brackets",
    "no_capital": "does not begin with a capital letter",
    "meta": "talks about itself or the task, or refuses it",
    "echo": "repeats the instructions or its own prompt instead of following them",
    "wrong_script": "too few letters of the corpus's script, or too few letters at all",
    "repetition": "a character run, a word said three times in a row, or a repeated run of four words",
    "duplicate": "the same text, case and spaces folded, is in this shard already",
}
"""Reject reasons with their meaning, in the order in which they are tried."""

HEAD_CHARS = 2000  # a phrase is looked for in the head of an answer; 100 kB answers cost no more than this
ECHO_WORDS = 5
RUN_WORDS = 4
MIN_LETTER_SHARE = 0.7

BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ue000-\uf8ff\ufeff\ufff0-\uffff\U000e0000-\U000e0fff]"
)
MOJIBAKE = re.compile(r"[âÃÐÑ](?:(?<=â)€|(?<!â)[^\w\s])")  # UTF-8 read as Latin: "â€œ", "Ã©", "Ð¿"
MARKUP_CHARACTERS = re.compile(r"[\[\]{}|\\<>*_^`@]")
MARKUP_PAIRS = re.compile(r"&(?:[a-z]{2,6}|#\d+);|#[^\W\d]|~~|==")  # alone, each of & # ~ = is but a sign
LIST_ENTRY = re.compile(r"(?:[-•·]|\d+[.)])\s")
BEFORE_CAPITAL = "\"'“«„‘(—– "
LATIN_SMALL = bytes(range(ord("a"), ord("z") + 1))
CYRILLIC_LEADS = (b"\xd0", b"\xd1")  # first UTF-8 bytes of U+0400 to U+047F
LETTERS = {"en": re.compile(r"[A-Za-zÀ-ɏ]"), "ru": re.compile(r"[\u0400-\u047f]")}
MARKS = ".,!?…:;\"'“”«»„‘’()"
CHARACTER_RUN = re.compile(r"(.)\1\1\1")  # faster than \1{3}, and folded text has no run of spaces
SAID_THRICE = re.compile(r"\b(\w+)\W+\1\W+\1\b")


class Verdict(NamedTuple):
    """What the rules say of one answer: the text they accept, or (as far as it was found) reject."""

    text: str
    reason: str | None
    text_hash: int = 0


class _Candidate(NamedTuple):
    """A sentence with its folded forms: one string, its words, its UTF-8."""

    text: str
    folded: str
    words: list[str]
    encoded: bytes


def fold(text: str) -> str:
    """NFKC-casefolded and space-folded text: what makes two phrases the same."""
    return " ".join(_folded_words(text))


def text_hash(text: str) -> int:
    """xxh3 (64 bits) of the folded text in UTF-8."""
    return xxhash.xxh3_64_intdigest(fold(text).encode())


class RuleBook:
    """The rules of one corpus."""

    def __init__(self, spec: CorpusSpec) -> None:
        self._rules = spec.rules
        self._letters = LETTERS[spec.language]
        self._latin = spec.language == "en"
        self._surely_enough = max(MIN_LETTER_SHARE, spec.rules.min_script_share)
        self._instructions = _word_runs(spec)
        # No run is in a phrase without its longest word, and long words are rare.
        self._telling_words = frozenset(max(run, key=len) for run in self._instructions)
        self._checks: tuple[tuple[str, Callable[[_Candidate], bool]], ...] = (
            ("too_short", self._too_short),
            ("too_long", self._too_long),
            ("markup", _has_markup),
            ("no_capital", lambda phrase: not phrase.text.lstrip(BEFORE_CAPITAL)[:1].isupper()),
            ("meta", lambda phrase: is_meta(phrase.folded, phrase.words)),
            ("echo", self._echoes),
            ("wrong_script", self._is_wrong_script),
            ("repetition", _repeats_itself),
        )

    def judge(self, answer: str) -> Verdict:
        """Judge one answer; `reason` is None for an accepted one."""
        head = answer[:HEAD_CHARS]
        if not head or head.isspace():
            return Verdict("", "empty")
        if not (head.isascii() and head.isprintable()) and _is_broken(head):
            return Verdict(head[: self._rules.max_chars], "control_characters")
        sentence = first_sentence(head)
        if sentence is None:
            return Verdict(head[: self._rules.max_chars], "no_sentence")
        words = _folded_words(sentence)
        folded = " ".join(words)
        phrase = _Candidate(sentence, folded, words, folded.encode())
        for reason, objects in self._checks:
            if objects(phrase):
                return Verdict(sentence, reason)
        return Verdict(sentence, None, xxhash.xxh3_64_intdigest(phrase.encoded))

    def _too_short(self, phrase: _Candidate) -> bool:
        return len(phrase.text) < self._rules.min_chars or len(phrase.words) < self._rules.min_words

    def _too_long(self, phrase: _Candidate) -> bool:
        return len(phrase.text) > self._rules.max_chars or len(phrase.words) > self._rules.max_words

    def _echoes(self, phrase: _Candidate) -> bool:
        words = phrase.words
        if self._telling_words.isdisjoint(words):
            return False
        return not self._instructions.isdisjoint(_runs(words, ECHO_WORDS))

    def _is_wrong_script(self, phrase: _Candidate) -> bool:
        encoded = phrase.encoded
        inked = len(phrase.folded) - len(phrase.words) + 1  # folded text has one space between words
        if self._latin:
            ours = len(encoded) - len(encoded.translate(None, LATIN_SMALL))
        else:
            ours = sum(map(encoded.count, CYRILLIC_LEADS))
        if ours >= self._surely_enough * inked:
            return False
        letters, ours = sum(map(str.isalpha, phrase.text)), len(self._letters.findall(phrase.text))
        return letters < MIN_LETTER_SHARE * inked or ours < self._rules.min_script_share * letters


def _is_broken(text: str) -> bool:
    if BROKEN.search(text):
        return True
    return ("â" in text or "Ã" in text or "Ð" in text or "Ñ" in text) and MOJIBAKE.search(text) is not None


def _folded_words(text: str) -> list[str]:
    if text.isascii():
        return text.lower().split()
    return unicodedata.normalize("NFKC", text).casefold().split()


def _has_markup(phrase: _Candidate) -> bool:
    text, folded = phrase.text, phrase.folded
    if MARKUP_CHARACTERS.search(text) or "http" in folded or "www." in folded:
        return True
    if ("&" in text or "#" in text or "~" in text or "=" in text) and MARKUP_PAIRS.search(folded):
        return True
    return not text[0].isalpha() and LIST_ENTRY.match(text) is not None


def _repeats_itself(phrase: _Candidate) -> bool:
    words = phrase.words
    repeated = len(words) - len(set(words))
    # A second run repeats each of its words, and each pair of them, but the last may carry another mark.
    if repeated >= RUN_WORDS - 1 and len(set(itertools.pairwise(words))) <= len(words) - RUN_WORDS + 1:
        runs = list(_runs([word.strip(MARKS) for word in words], RUN_WORDS))
        if len(set(runs)) < len(runs):
            return True
    if repeated and any(map(operator.eq, words, words[1:])) and SAID_THRICE.search(phrase.folded):
        return True
    run = CHARACTER_RUN.search(phrase.folded)
    return run is not None and not run[1].isdigit()


def _word_runs(spec: CorpusSpec) -> frozenset[tuple[str, ...]]:
    """Runs of ECHO_WORDS words of the system prompt and of the templates' own words between slots."""
    texts = [spec.prompts.system or "", list_request(spec.language, spec.sampling.phrases_per_prompt)]
    for template in spec.prompts.templates:
        texts += SLOT.split(template.text)[::2]
    runs: set[tuple[str, ...]] = set()
    for text in texts:
        runs.update(_runs(_folded_words(text), ECHO_WORDS))
    return frozenset(runs)


def _runs(words: list[str], length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(length)), strict=False)
