"""Candidates: near-duplicates are found, at a cost that grows with the rows alone."""

import itertools
import random
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.release.forest import FEW, WINDOW, candidates, in_part, sorted_unique, unique_pairs
from phrasemill.release.plan import BANDS
from phrasemill.release.sketches import MOST, Sketch, sketch_of
from phrasemill.release.tokens import tokens_of
from tests.release.templated_texts import planted, templated


def sketched(texts: list[str]) -> Sketch:
    return sketch_of(tokens_of(pa.array(texts, pa.string())))


def of_band(sketch: Sketch, band: int, *, threshold: float = 0.7, window: int = WINDOW) -> np.ndarray:
    ids = np.arange(len(sketch.sizes))
    return candidates(sketch.keys[band], sketch.bits, sketch.sizes, ids, threshold=threshold, window=window)


def of_all(sketch: Sketch) -> np.ndarray:
    return unique_pairs([of_band(sketch, band) for band in range(BANDS)])


def as_set(pairs: np.ndarray) -> set[tuple[int, int]]:
    return set(map(tuple, pairs.tolist()))


class TestWhatIsFound:
    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_phrases_with_a_word_or_two_changed(self, language: str) -> None:
        corpus = planted(language, 50_000, changed=2_000)
        like = set()
        for row, source, _ in corpus.changed:
            one, other = (
                set(corpus.texts[number].lower().replace(",", "").strip(".").split()) for number in (row, source)
            )
            if len(one & other) >= 0.7 * len(one | other):
                like.add((min(row, source), max(row, source)))
        assert len(like) > 1_800
        found = as_set(of_all(sketched(corpus.texts)))
        assert len(like & found) >= 0.99 * len(like)

    def test_every_pair_of_a_prefix_that_is_near_enough(self) -> None:
        texts = planted("en", 400, changed=150).texts
        sketch, tokens = sketched(texts), tokens_of(pa.array(texts))
        sets = [set(tokens.codes[tokens.starts[row] : tokens.starts[row + 1]].tolist()) for row in range(400)]
        prefixes = sketch.keys >> np.uint32(16)
        for band, threshold in ((0, 0.5), (1, 0.7), (2, 0.9)):
            like = {
                (one, other)
                for one, other in itertools.combinations(range(400), 2)
                if prefixes[band, one] == prefixes[band, other]
                and len(sets[one] & sets[other]) >= threshold * len(sets[one] | sets[other])
            }
            assert len(like) > 5
            assert like <= as_set(of_band(sketch, band, threshold=threshold, window=400))

    def test_pairs_are_sorted_and_given_once_with_the_earlier_id_first(self) -> None:
        sketch = sketched(planted("en", 3000, changed=600).texts)
        ids = np.arange(3000) * 5 + 2**33
        pairs = candidates(sketch.keys[0], sketch.bits, sketch.sizes, ids, threshold=0.7)
        assert len(pairs) > 100
        assert list(map(tuple, pairs.tolist())) == sorted(as_set(pairs))
        assert (pairs[:, 0] < pairs[:, 1]).all()
        assert np.isin(pairs, ids).all()
        assert np.array_equal((pairs - 2**33) // 5, of_band(sketch, 0))

    def test_phrases_without_words_are_like_none(self) -> None:
        sketch = sketched(["", "a fox", "...", "", "a fox!", "—"])
        assert of_all(sketch).tolist() == [[1, 4]]

    @pytest.mark.parametrize("texts", [[], ["alone"], ["", ""]])
    def test_too_few_phrases_make_no_pair(self, texts: list[str]) -> None:
        assert of_all(sketched(texts)).shape == (0, 2)

    @pytest.mark.parametrize(("one", "other"), [(300, 400), (255, 254), (260, 190), (900, 1200)])
    def test_no_pair_is_lost_where_sizes_stop(self, one: int, other: int) -> None:
        texts = [" ".join(map(str, range(one))), " ".join(map(str, range(other)))]
        sketch = sketched(texts)
        assert MOST in sketch.sizes
        # Keys that agree, so that nothing but the bitmaps and sizes decides.
        same = np.zeros(2, np.uint32)
        assert candidates(same, sketch.bits, sketch.sizes, np.arange(2), threshold=0.7).tolist() == [[0, 1]]

    @pytest.mark.parametrize(("sizes", "pairs"), [((254, 254), []), ((254, 255), [[0, 1]]), ((255, 255), [[0, 1]])])
    def test_sizes_that_stop_may_be_any_larger(self, sizes: tuple[int, int], pairs: list[list[int]]) -> None:
        bits = np.array([[0, 2**20 - 1]] * 2, np.uint64)
        found = candidates(np.zeros(2, np.uint32), bits, np.array(sizes, np.uint8), np.arange(2), threshold=0.95)
        assert found.tolist() == pairs

    def test_of_many_likes_the_earliest(self) -> None:
        pairs = of_band(sketched(["the same words"] * 40), 0)
        assert as_set(pairs) >= {(0, row) for row in range(1, 40)}
        assert np.bincount(pairs[:, 1]).max() == FEW
        assert as_set(pairs[pairs[:, 1] == WINDOW]) == {(row, WINDOW) for row in range(FEW)}

    def test_ids_must_ascend(self) -> None:
        sketch = sketched(["a", "b"])
        with pytest.raises(ValueError, match="ascending"):
            candidates(sketch.keys[0], sketch.bits, sketch.sizes, np.array([1, 0]), threshold=0.7)


class TestParts:
    @pytest.mark.parametrize("parts", [1, 2, 3, 7, 64])
    def test_change_nothing_of_what_is_found(self, parts: int) -> None:
        sketch = sketched([*planted("ru", 4000, changed=900).texts, *["одни и те же слова"] * 60])
        ids = np.arange(len(sketch.sizes))
        for band in (0, 5):
            keys, found = sketch.keys[band], []
            for part in range(parts):
                rows = in_part(keys, part, parts)
                found.append(candidates(keys[rows], sketch.bits[:, rows], sketch.sizes[rows], ids[rows], threshold=0.7))
            assert np.array_equal(unique_pairs(found), of_band(sketch, band))

    @pytest.mark.parametrize("parts", [1, 3, 1000, 65_536])
    def test_hold_every_row_once(self, parts: int) -> None:
        keys = np.array([0, 1, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 65_537, 2**32 - 1], np.uint32)
        home = keys.astype(np.int64) // 65_536 * parts // 65_536
        for part in {0, parts // 2, parts - 1, *home.tolist()}:
            assert np.array_equal(in_part(keys, part, parts), home == part)


class TestCost:
    """Counted in comparisons of bitmaps."""

    @pytest.fixture
    def compared(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
        counted, count = [], np.bitwise_count

        def counting(values: np.ndarray) -> np.ndarray:
            counted.append(values.size)
            return count(values)

        monkeypatch.setattr(np, "bitwise_count", counting)
        return counted

    @pytest.mark.parametrize("kind", ["words in other order", "one template", "same phrase", "templates"])
    def test_grows_with_rows_whatever_the_corpus(self, kind: str, compared: list[int]) -> None:
        draw, rows = random.Random(3), 6000
        words = [f"w{number}" for number in range(10)]
        texts = {
            "words in other order": [" ".join(draw.sample(words, 10)) for _ in range(rows)],
            "one template": [f"the {n} of the old mill at the end of a long road" for n in range(rows)],
            "same phrase": ["the same phrase again"] * rows,
            "templates": templated("en", rows),
        }[kind]
        sketch = sketched(texts)
        compared.clear()
        pairs = of_band(sketch, 0)
        # Each with WINDOW others and two heads; those that pass by the first bitmap once more, by both.
        assert sum(compared) <= 3 * (WINDOW + 2) * rows
        assert len(pairs) <= FEW * rows

    def test_heads_reach_all_of_many_likes(self, compared: list[int]) -> None:
        draw, words = random.Random(4), [f"w{number}" for number in range(14)]
        texts = [" ".join(draw.sample(words, 14)) for _ in range(2000)]
        assert as_set(of_band(sketched(texts), 0)) >= {(0, row) for row in range(1, 2000)}
        assert sum(compared) <= 3 * (WINDOW + 2) * 2000

    @pytest.mark.parametrize("alike", [False, True])
    def test_memory_a_row_and_pair_is_what_is_said(self, alike: bool) -> None:
        draw, rows = np.random.default_rng(8), 100_000
        keys = draw.integers(0, 1 if alike else 2**32, rows, np.uint32)
        bits = draw.integers(0, 1 if alike else 2**63, (2, rows), np.uint64)
        sizes, ids = np.full(rows, 16, np.uint8), np.arange(rows)
        tracemalloc.start()
        pairs = candidates(keys, bits, sizes, ids, threshold=0.7)
        height = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(pairs) > 7 * rows if alike else len(pairs) == 0
        # Beside them what a block takes, whatever the rows.
        assert height <= (52 - 29) * rows + 56 * len(pairs) + 2**21


class TestUniquePairs:
    @pytest.mark.parametrize("high", [10, 2**20, 2**31, 2**40, 2**62])
    def test_are_sorted_and_each_there_once(self, high: int) -> None:
        draw = np.random.default_rng(high)
        values = draw.integers(0, high, 40)
        lists = [values[draw.integers(0, 40, (size, 2))] for size in (300, 0, 500)]
        expected = sorted(as_set(lists[0]) | as_set(lists[2]))
        assert unique_pairs(lists).tolist() == [list(pair) for pair in expected]

    def test_of_none_are_none(self) -> None:
        assert unique_pairs([]).shape == (0, 2)
        assert unique_pairs([np.empty((0, 2), np.int64)]).dtype == np.int64

    def test_columns_are_sorted_by_the_first_and_then_the_second(self) -> None:
        first, second = sorted_unique(np.array([3, 1, 3, 1, 1]), np.array([5, 9, 2, 0, 9]))
        assert (first.tolist(), second.tolist()) == ([1, 1, 3, 3], [0, 9, 2, 5])
