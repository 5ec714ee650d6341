"""Sentences made of three pre-made parts, so that one costs three list look-ups and no two are the same.

A seed draws 4,096 beginnings, middles and ends of each language. Serial number s takes the parts at the
three 12-bit digits of s * STRIDE mod 2**36; STRIDE is odd, so every one of the 2**36 triples comes once.
"""

import random
from collections.abc import Callable
from functools import cache

from phrasemill.engines.fake import lexicons as words

DIGIT_BITS = 12
POOL = 1 << DIGIT_BITS
DIGIT = POOL - 1
TRIPLES = (1 << 3 * DIGIT_BITS) - 1
STRIDE = 42_470_972_311  # 2**36 times the golden ratio's fraction, made odd: neighbours share no part
# Characters of beginning, middle and end: together 60 to 140, full stop included.
LENGTHS = ((16, 44), (20, 44), (24, 52))
OPENING_SHARE = 0.5  # of sentences that begin with 'At dawn,' or its like


class SentenceSupply:
    """One language's endless, seeded supply: `at(serial)` is a sentence of 60 to 140 characters."""

    def __init__(self, parts: tuple[Callable[[random.Random], str], ...], *, seed: str) -> None:
        self.beginnings, self.middles, self.ends = (
            _pool(part, lengths, seed=f"{seed}/{k}")
            for k, (part, lengths) in enumerate(zip(parts, LENGTHS, strict=True))
        )

    def at(self, serial: int) -> str:
        """The sentence of this serial number; the first 2**36 serial numbers all differ."""
        triple = serial * STRIDE & TRIPLES
        return (
            self.beginnings[triple & DIGIT]
            + self.middles[triple >> DIGIT_BITS & DIGIT]
            + self.ends[triple >> 2 * DIGIT_BITS]
        )

    def start_at(self, serial: int) -> tuple[str, str]:
        """The sentence's beginning ('The weary baker') and middle (' mended a copper kettle') alone."""
        triple = serial * STRIDE & TRIPLES
        return self.beginnings[triple & DIGIT], self.middles[triple >> DIGIT_BITS & DIGIT]


@cache
def english(seed: int) -> SentenceSupply:
    """English, such as 'At dawn, the shy baker mended a brass kettle beside the icy pier without a word.'."""
    return SentenceSupply((_en_beginning, _en_middle, _en_end), seed=f"en/{seed}")


@cache
def russian(seed: int) -> SentenceSupply:
    """Russian, all masculine so that adjective, noun and verb agree without a table of forms."""
    return SentenceSupply((_ru_beginning, _ru_middle, _ru_end), seed=f"ru/{seed}")


def german(serial: int) -> str:
    """A German sentence; 7,680 of them."""
    return _product(serial, words.DE_SUBJECTS, words.DE_VERBS, words.DE_OBJECTS, words.DE_ENDINGS)


def ukrainian(serial: int) -> str:
    """A Ukrainian sentence: Russian's script, another language; 5,760 of them."""
    return _product(serial, words.UK_SUBJECTS, words.UK_VERBS, words.UK_OBJECTS, words.UK_ENDINGS)


def _product(serial: int, *lists: list[str]) -> str:
    picked = []
    for choices in lists:
        serial, k = divmod(serial, len(choices))
        picked.append(choices[k])
    return " ".join(picked) + "."


def _pool(part: Callable[[random.Random], str], lengths: tuple[int, int], *, seed: str) -> list[str]:
    draw = random.Random(seed)  # noqa: S311 - repeatable on purpose, nothing secret
    shortest, longest = lengths
    pool: dict[str, None] = {}
    while len(pool) < POOL:
        text = part(draw)
        if shortest <= len(text) <= longest:
            pool[text] = None
    return list(pool)


def _en_beginning(draw: random.Random) -> str:
    who = f"he {draw.choice(words.EN_PERSON_ADJECTIVES)} {draw.choice(words.EN_PERSONS)}"
    return f"{draw.choice(words.EN_OPENINGS)} t{who}" if draw.random() < OPENING_SHARE else f"T{who}"


def _en_middle(draw: random.Random) -> str:
    adjective = draw.choice(words.EN_OBJECT_ADJECTIVES)
    determiner = draw.choice(words.EN_DETERMINERS)
    if determiner == "a" and adjective[0] in "aeiou":
        determiner = "an"
    adverb = f" {draw.choice(words.EN_ADVERBS)}" if draw.random() < 0.4 else ""
    return f"{adverb} {draw.choice(words.EN_VERBS)} {determiner} {adjective} {draw.choice(words.EN_OBJECTS)}"


def _en_end(draw: random.Random) -> str:
    place = f"{draw.choice(words.EN_PLACE_ADJECTIVES)} {draw.choice(words.EN_PLACES)}"
    return f" {draw.choice(words.EN_PREPOSITIONS)} the {place}{draw.choice(words.EN_ENDINGS)}."


def _ru_beginning(draw: random.Random) -> str:
    who = f"{draw.choice(words.RU_PERSON_ADJECTIVES)} {draw.choice(words.RU_PERSONS)}"
    return f"{draw.choice(words.RU_OPENINGS)} {who}" if draw.random() < OPENING_SHARE else who.capitalize()


def _ru_middle(draw: random.Random) -> str:
    what = f"{draw.choice(words.RU_OBJECT_ADJECTIVES)} {draw.choice(words.RU_OBJECTS)}"
    return f" {draw.choice(words.RU_ADVERBS)} {draw.choice(words.RU_VERBS)} {what}"


def _ru_end(draw: random.Random) -> str:
    preposition, _, place = draw.choice(words.RU_PLACES).partition(" ")
    where = f"{preposition} {draw.choice(words.RU_PLACE_ADJECTIVES)} {place}"
    return f" {where}{draw.choice(words.RU_ENDINGS)}."
