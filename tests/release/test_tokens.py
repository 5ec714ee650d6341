"""Words of chunks: the words of the gate, whatever a text is made of."""

import random

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.gate.words import words_of
from phrasemill.release import tokens as module
from phrasemill.release.tokens import CELLS, Tokens, sorted_codes, tiles, tokens_of, word_sets

TRICKY = [
    "",
    " ",
    "   ",
    "...",
    "— !",
    "one",
    " one  two ",
    "well-known, half-baked; mother-in-law",
    "tab\tand\nnew\r\nline",
    "non\u00a0breaking\u202fspaces\u2003and\u2028lines",
    "ﬁne ﬂour ﬀ",
    "Кот и — пёс, «Ёлка»",
    "don't rock’n’roll ' ''",
    "cafe\u0301 a\u0308rger \u0301alone",
    "İstanbul STRASSE straße ΣΑΣ",
    "½ x² Ⅻ 12,5",
    "ﷺ peace",
    "日本語 ｆｕｌｌ ｗｉｄｔｈ",
    "emoji 🎉 joined👩‍👩‍👧",
    "One oNe ONE one.",
]
PIECES = [
    *" '’-.,\t\n\u00a0\u0301\u0308\u200d\u2028aAbBйЙё",
    "ﬁ",
    "ﷺ",
    "½",
    "İ",
    "ß",
    "Σ",
    "́",
    "👩",
    "ᄀ",
    "ᅡ",
    " ",
    " ",
]


def words_in(tokens: Tokens) -> list[list[str]]:
    words = tokens.words.to_pylist()
    return [
        [words[code] for code in tokens.codes[first:last]]
        for first, last in zip(tokens.starts[:-1], tokens.starts[1:], strict=True)
    ]


def numbered(words: list[list[str]]) -> list[list[int]]:
    """Words as numbers, in the order in which they come first."""
    numbers: dict[str, int] = {}
    return [[numbers.setdefault(word, len(numbers)) for word in text] for text in words]


def assert_same_words(texts: pa.Array) -> None:
    found, expected = words_in(tokens_of(texts)), words_of(texts)
    assert [" ".join(words[:3]) for words in found] == expected.openings.to_pylist()
    theirs = [
        [] if opening == "" else list(map(str, expected.codes[first:last]))
        for first, last, opening in zip(
            expected.starts[:-1], expected.starts[1:], expected.openings.to_pylist(), strict=True
        )
    ]
    assert numbered(found) == numbered(theirs)


class TestTheWordsAreThoseOfTheGate:
    @pytest.mark.parametrize("text", TRICKY)
    def test_in_a_tricky_text(self, text: str) -> None:
        assert_same_words(pa.array([text]))

    def test_in_all_of_them_together(self) -> None:
        assert_same_words(pa.array(TRICKY))

    def test_in_slices(self) -> None:
        texts = pa.array(["left out ½", *TRICKY, "left out too"])
        for first, count in ((1, len(TRICKY)), (3, 7), (len(TRICKY), 1), (2, 0)):
            assert_same_words(texts.slice(first, count))

    def test_in_random_texts(self) -> None:
        draw = random.Random(5)
        assert_same_words(pa.array(["".join(draw.choices(PIECES, k=draw.randrange(14))) for _ in range(4000)]))

    def test_where_every_piece_is_one_word(self) -> None:
        assert_same_words(pa.array(["a quick fox", "the lazy dog", "the quick dog"]))

    def test_in_other_types_of_strings(self) -> None:
        for kind in (pa.large_string(), pa.string_view()):
            assert words_in(tokens_of(pa.array(TRICKY, kind))) == words_in(tokens_of(pa.array(TRICKY)))

    @pytest.mark.parametrize("count", [3, 4, 5, 8, 9])
    def test_at_the_bounds_of_blocks(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = pa.array([*TRICKY, "x y", "", "z"][-count:])
        whole = words_in(tokens_of(texts))
        monkeypatch.setattr(module, "BLOCK", 4)
        assert words_in(tokens_of(texts)) == whole

    @pytest.mark.parametrize("texts", [[], ["", ""], ["..."]])
    def test_nothing_has_no_words(self, texts: list[str]) -> None:
        tokens = tokens_of(pa.array(texts, pa.string()))
        assert (len(tokens.words), len(tokens.codes), len(tokens.hashes)) == (0, 0, 0)
        assert tokens.starts.tolist() == [0] * (len(texts) + 1)


class TestHashes:
    def test_are_the_same_in_every_chunk(self) -> None:
        one, other = (tokens_of(pa.array(texts)) for texts in (["a fox ran"], ["the fox", "ran a lap"]))
        first, second = (dict(zip(tokens.words.to_pylist(), tokens.hashes, strict=True)) for tokens in (one, other))
        assert all(first[word] == second[word] for word in ("a", "fox", "ran"))
        assert first["fox"] == 13965643304042992335

    def test_of_some_phrases(self) -> None:
        tokens = tokens_of(pa.array(["a b", "", "c a c", "d"]))
        of = dict(zip(tokens.words.to_pylist(), tokens.hashes.tolist(), strict=True))
        hashes, starts = word_sets(tokens, np.array([2, 1, 0]))
        assert hashes.tolist() == [of[word] for word in "cacab"]
        assert starts.tolist() == [0, 3, 3, 5]

    def test_of_no_phrases(self) -> None:
        hashes, starts = word_sets(tokens_of(pa.array(["a b"])), np.empty(0, np.int64))
        assert (hashes.tolist(), starts.tolist()) == ([], [0])


class TestTiles:
    def test_hold_every_row_with_words_once(self) -> None:
        lengths = np.random.default_rng(1).integers(0, 40, 40_000)
        rows = np.concatenate(list(tiles(lengths)))
        assert np.array_equal(np.sort(rows), np.flatnonzero(lengths))

    def test_are_small_though_one_row_is_long(self) -> None:
        lengths = np.full(20_000, 12)
        lengths[77], lengths[99] = 500, 3 * CELLS
        sizes = [len(rows) * lengths[rows].max() for rows in tiles(lengths)]
        assert sorted(sizes)[-1] == 3 * CELLS
        assert sorted(sizes)[-2] <= CELLS
        assert all(lengths[rows[-1]] == lengths[rows].max() for rows in tiles(lengths))

    def test_have_words_in_order_and_repeat_one_to_fill_rows_up(self) -> None:
        tokens = tokens_of(pa.array(["d", "c b d", "b c"]))
        (rows,) = tiles(np.diff(tokens.starts))
        by_row = dict(zip(rows.tolist(), sorted_codes(tokens, rows).T.tolist(), strict=True))
        d, c, b = (tokens.words.to_pylist().index(word) for word in "dcb")
        assert by_row[0] == [d] * 3
        assert by_row[1] == sorted([b, c, d])
        assert by_row[2] in ([b, b, c], [b, c, c], [c, b, b], [c, c, b])
