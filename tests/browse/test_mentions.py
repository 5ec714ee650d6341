"""Lexemes found in texts: by their words in order, inflected, without their articles."""

import pytest

from phrasemill.browse.mentions import pieces_of


def named(text: str, *, language: str = "en", **slots: str) -> dict[str, str]:
    """By slot, what is marked."""
    pieces = pieces_of(text, slots, language=language)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)
    assert {piece.slot: piece.lexeme for piece in pieces if piece.slot}.items() <= slots.items()
    return {piece.slot: piece.text for piece in pieces if piece.slot}


@pytest.mark.parametrize(
    ("text", "lexeme", "found"),
    [
        ("He slept in the old lighthouse.", "the old lighthouse", "old lighthouse"),
        ("Two OLD Lighthouses burn.", "the old lighthouse", "OLD Lighthouses"),
        ("The chandler's shop is shut.", "the chandler's shop", "chandler's shop"),
        ("A well-worn key.", "a well-worn key", "well-worn key"),
        ("Keys, and a key.", "a key", "Keys"),
        ("On pay day nobody came.", "on pay day", "On pay day"),
        ("The The sang.", "the", "The"),
    ],
)
def test_a_lexeme_is_marked_where_it_stands_first(text, lexeme, found):
    assert named(text, it=lexeme) == {"it": found}


@pytest.mark.parametrize(
    ("text", "lexeme"),
    [
        ("A monkey and a turnkey.", "a key"),
        ("The lighthouse was old.", "the old lighthouse"),
        ("It was old, lighthouse or not.", "the old lighthouse"),
        ("", "a key"),
        ("Nothing here.", ""),
        ("Nothing here.", "?!"),
    ],
)
def test_what_is_not_named_is_not_marked(text, lexeme):
    assert named(text, it=lexeme) == {}


def test_inflected_russian_is_found():
    text = "На старом маяке смотритель чинил рыбацкие сети."
    found = named(text, language="ru", place="старый маяк", thing="рыбацкая сеть", who="смотритель")
    assert found == {"place": "старом маяке", "thing": "рыбацкие сети", "who": "смотритель"}


def test_longer_lexemes_come_before_those_within_them():
    text = "The lighthouse keeper left the lighthouse."
    assert named(text, place="the lighthouse", who="a lighthouse keeper") == {
        "who": "lighthouse keeper",
        "place": "lighthouse",
    }


def test_a_language_without_a_stemmer_is_compared_word_by_word():
    assert named("Das alte Haus.", language="de", place="alte haus") == {"place": "alte Haus"}
    assert named("Die alten Häuser.", language="de", place="alte haus") == {}
