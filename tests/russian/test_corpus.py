"""The Russian corpus file: forms with their prepositions, and prompts without a seam."""

import re
from pathlib import Path

import numpy as np
import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.prompts import PromptBook
from phrasemill.templates import lexeme_base

CORPUS = load_corpus(Path(__file__).parents[2] / "include/corpora/hyperphrases_ru.yaml")
LEXICONS = CORPUS.prompts.lexicons
FORMS = [
    (name, form, text)
    for name, lexemes in LEXICONS.items()
    for lexeme in lexemes
    if isinstance(lexeme, dict)
    for form, text in lexeme.items()
]
PREPOSITIONS = {
    "about": "о об",
    "with": "с со",
    "over": "над",
    "to": "в во на",
    "in": "в во на за у",
    "by": "в на по с",
}
VOWELS = "аиоуыэ"
# "Со" stands before с, з, ш, ж and another consonant, and before щ: со свекровью, but с соседкой.
NEEDS_SO = re.compile(r"(?:[сзшж][бвгджзклмнпрстфхцчшщ]|щ)", re.IGNORECASE)
TWO = re.compile(r"\b(в|во|на|над|о|об|с|со|от) (?:в|во|на|над|о|об|с|со|от)\b")


@pytest.mark.parametrize("form", sorted(PREPOSITIONS))
def test_each_form_begins_with_its_preposition(form: str) -> None:
    texts = [text for _, name, text in FORMS if name == form]
    assert texts
    assert {text.split()[0] for text in texts} <= set(PREPOSITIONS[form].split())


def test_ob_stands_before_a_vowel_only() -> None:
    for _, form, text in FORMS:
        if form == "about":
            preposition, word = text.split()[:2]
            assert (preposition == "об") == (word[0].lower() in VOWELS), text


def test_so_stands_where_s_could_not_be_said() -> None:
    for _, form, text in FORMS:
        if form == "with":
            preposition, word = text.split()[:2]
            assert (preposition == "со") == (NEEDS_SO.match(word) is not None), text


def test_the_letter_yo_is_written() -> None:
    words = {word for lexemes in LEXICONS.values() for lexeme in lexemes for word in lexeme_base(lexeme).split()}
    bare = {word.replace("ё", "е") for word in words if "ё" in word}
    assert not bare & words


def test_prompts_have_no_two_prepositions_running_no_slot_and_no_double_space() -> None:
    texts = PromptBook(CORPUS).texts(np.arange(0, 100_000, 97), np.zeros(1031, dtype=np.int64))
    for text in texts:
        assert not TWO.search(text), text
        assert not re.search(r"[{}]|  | [,.;]", text), text
        assert text.endswith(".")


def test_no_prompt_says_a_preposition_of_two_slots_twice() -> None:
    weather = [lexeme_base(lexeme) for lexeme in LEXICONS["weather"]]
    letters = [lexeme_base(lexeme) for lexeme in LEXICONS["letter"]]
    assert not [text for text in weather if " над " in text]  # "... над водой над Байкалом"
    assert not [text for text in letters if " от " in text]  # "лист с пятном от чая от тёщи"
