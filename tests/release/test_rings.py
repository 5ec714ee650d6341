from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from phrasemill.release import rings
from phrasemill.release.rings import MAX_ID, MAX_LEXEMES, SAMPLE, Ring, RingBook

LEXEMES = ["a bell", "a key", "колокол", ""]
IDS = {"a bell": range(0, 90, 3), "a key": range(1, 90, 9), "колокол": [5], "": [2, MAX_ID]}
RARE = 30


def made(lexemes: list[str] = LEXEMES, *, order: int = 1, rare: int = RARE) -> Ring:
    """Rings of these lexemes, whose phrases come in one order or the other."""
    book = RingBook(lexemes, [len(IDS[lexeme]) for lexeme in lexemes], rare=rare)
    codes = np.repeat(np.arange(len(lexemes), dtype=np.int32), [len(IDS[lexeme]) for lexeme in lexemes])
    ids = np.array([phrase for lexeme in lexemes for phrase in IDS[lexeme]], np.int64)
    return book.ring(book.keys(ids[::order], codes[::order]))


def followers(ring: Ring, lexemes: list[str] = LEXEMES) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for phrase, following, code in zip(ring.from_ids.tolist(), ring.to_ids.tolist(), ring.codes.tolist(), strict=True):
        assert phrase not in found[lexemes[code]]
        found[lexemes[code]][phrase] = following
    return found


def walk(following: dict[int, int], start: int) -> list[int]:
    """Phrases from `start` on until one comes again."""
    seen = [start]
    while (phrase := following[seen[-1]]) not in seen:
        seen.append(phrase)
    return seen


def samples(ring: Ring) -> list[list[int]]:
    return [part.tolist() for part in np.split(ring.sample.ids, np.cumsum(ring.sample.sizes)[:-1])]


class TestRings:
    @pytest.mark.parametrize("lexeme", ["a bell", "a key", ""])
    def test_a_walk_from_any_phrase_of_a_lexeme_meets_all_of_them_and_comes_back(self, lexeme: str) -> None:
        following = followers(made())[lexeme]
        for start in IDS[lexeme]:
            phrases = walk(following, start)
            assert sorted(phrases) == list(IDS[lexeme])
            assert following[phrases[-1]] == start

    def test_the_only_phrase_of_a_lexeme_has_no_link(self) -> None:
        assert "колокол" not in followers(made())

    def test_a_lexeme_that_more_than_the_rare_ones_have_gets_no_ring(self) -> None:
        assert set(followers(made(rare=10))) == {"a key", ""}
        assert set(followers(made(rare=29))) == {"a key", ""}
        assert set(followers(made(rare=30))) == {"a bell", "a key", ""}

    def test_the_order_is_neither_that_of_ids_nor_that_of_another_lexeme(self) -> None:
        orders = []
        for lexeme in ("a bell", "a flag"):
            book = RingBook([lexeme], [30], rare=30)
            ring = book.ring(book.keys(np.arange(30), np.zeros(30, np.int32)))
            orders.append(walk(dict(zip(ring.from_ids.tolist(), ring.to_ids.tolist(), strict=True)), 0))
        assert orders[0] != orders[1]
        assert all(sum(b == a + 1 for a, b in pairwise(order)) < 10 for order in orders)

    def test_a_ring_hangs_on_its_lexeme_and_phrases_alone(self) -> None:
        everything = followers(made())
        assert followers(made(order=-1)) == everything
        for lexeme in ("a bell", "a key"):
            assert followers(made([lexeme]), [lexeme])[lexeme] == everything[lexeme]

    def test_the_order_is_the_one_of_earlier_releases(self) -> None:
        """A change of the hash would give other links for the same phrases."""
        assert walk(followers(made())["a key"], 1) == [1, 73, 82, 10, 55, 28, 19, 46, 64, 37]

    def test_ids_of_a_whole_key_come_back_as_they_were(self) -> None:
        ids = np.array([0, 1, 2**21, 2**32 + 7, MAX_ID - 1, MAX_ID], np.int64)
        book = RingBook(["x"], [len(ids)], rare=10)
        assert sorted(book.ring(book.keys(ids, np.zeros(len(ids), np.int32))).from_ids.tolist()) == ids.tolist()

    def test_no_phrases_have_no_ring(self) -> None:
        book = RingBook(["x"], [0], rare=10)
        ring = book.ring(book.keys(np.empty(0, np.int64), np.empty(0, np.int32)))
        assert len(ring.from_ids) == len(ring.to_ids) == 0
        assert samples(ring) == [[]]


class TestLimits:
    def test_an_id_that_a_key_cannot_hold_is_refused(self) -> None:
        with pytest.raises(ValueError, match=f"phrase id {MAX_ID + 1} is above"):
            RingBook(["x"], [1], rare=1).keys(np.array([MAX_ID + 1]), np.zeros(1, np.int32))

    def test_more_lexemes_than_a_key_tells_apart_are_refused(self) -> None:
        with pytest.raises(ValueError, match=f"{MAX_LEXEMES + 1} lexemes"):
            RingBook([""] * (MAX_LEXEMES + 1), [], rare=1)


class TestSamples:
    def test_a_lexeme_of_few_phrases_names_them_all_by_id(self) -> None:
        assert samples(made()) == [list(IDS[lexeme]) for lexeme in LEXEMES]

    @pytest.mark.parametrize("rare", [0, 100_000])
    def test_a_lexeme_of_many_names_some_from_all_over_linked_or_not(self, rare: int) -> None:
        count = 40_000
        book = RingBook(["x"], [count], rare=rare)
        keys = book.keys(np.arange(count), np.zeros(count, np.int32))
        (ids,) = samples(book.ring(keys))
        assert len(ids) == SAMPLE
        assert ids == sorted(set(ids))
        assert all(30 < sum(k * 5_000 <= phrase < (k + 1) * 5_000 for phrase in ids) < 95 for k in range(8))

    def test_a_common_lexeme_names_the_same_phrases_as_if_it_were_rare(self) -> None:
        count = 40_000
        chosen = []
        for rare in (0, count):
            book = RingBook(["x"], [count], rare=rare)
            chosen.append(samples(book.ring(book.keys(np.arange(count), np.zeros(count, np.int32)))))
        assert chosen[0] == chosen[1]

    def test_a_common_lexeme_keeps_few_keys(self) -> None:
        book = RingBook(["x"], [40_000], rare=0)
        keys = book.keys(np.arange(40_000), np.zeros(40_000, np.int32))
        assert SAMPLE < len(keys) < 2 * rings.SPARE * SAMPLE
