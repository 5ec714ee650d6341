"""Of phrases alike the first is kept, and nothing is dropped that is not like a phrase that is kept."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.release import keep_first as module
from phrasemill.release.forest import candidates, unique_pairs
from phrasemill.release.keep_first import exact_repeats, keep_first, similarities
from phrasemill.release.plan import BANDS
from phrasemill.release.sketches import sketch_of
from phrasemill.release.tokens import tokens_of, word_sets
from tests.release.templated_texts import planted


def dropped(texts: list[str], threshold: float = 0.7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is dropped of these texts, from their words to the end."""
    tokens = tokens_of(pa.array(texts))
    sketch, ids = sketch_of(tokens), np.arange(len(texts))
    pairs = unique_pairs(
        [candidates(sketch.keys[band], sketch.bits, sketch.sizes, ids, threshold=threshold) for band in range(BANDS)]
    )
    members = np.unique(pairs)
    return keep_first(pairs, similarities(pairs, members, *word_sets(tokens, members)), threshold)


def set_of(text: str) -> frozenset[str]:
    return frozenset(text.lower().replace(",", "").replace(".", "").split())


def jaccard(one: frozenset[object], other: frozenset[object]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def in_lists(sets: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *map(len, sets)])
    return np.array(list(itertools.chain(*sets)), np.uint64), starts.astype(np.int64)


class TestExactRepeats:
    def test_name_the_lowest_id_with_the_same_hash(self) -> None:
        hashes = np.array([7, 9, 7, 2**64 - 1, 9, 7, 2**64 - 1, 0], np.uint64)
        ids = np.array([50, 4, 30, 8, 2, 40, 6, 1])
        assert exact_repeats(hashes, ids).tolist() == [[4, 2], [8, 6], [40, 30], [50, 30]]

    def test_of_many(self) -> None:
        draw = np.random.default_rng(2)
        hashes, ids = draw.integers(0, 3000, 5000).astype(np.uint64), draw.permutation(5000) + 10**10
        lowest: dict[int, int] = {}
        for number, text_hash in sorted(zip(ids.tolist(), hashes.tolist(), strict=True)):
            lowest.setdefault(text_hash, number)
        of = dict(zip(ids.tolist(), hashes.tolist(), strict=True))
        expected = [[number, lowest[of[number]]] for number in sorted(of) if lowest[of[number]] != number]
        assert exact_repeats(hashes, ids).tolist() == expected

    @pytest.mark.parametrize("hashes", [[], [5], [5, 6]])
    def test_where_there_are_none(self, hashes: list[int]) -> None:
        found = exact_repeats(np.array(hashes, np.uint64), np.arange(len(hashes)))
        assert (found.shape, found.dtype) == ((0, 2), np.int64)

    def test_where_all_are_the_same(self) -> None:
        found = exact_repeats(np.zeros(100, np.uint64), np.arange(100))
        assert found.tolist() == [[number, 0] for number in range(1, 100)]


class TestSimilarities:
    def test_are_words_in_both_of_words_in_either(self) -> None:
        draw = np.random.default_rng(4)
        # Lists of 0 to 30 words, in no order and with repeats, and one far longer.
        sets = [draw.integers(0, 40, size).tolist() for size in [*draw.integers(0, 30, 300).tolist(), 2000]]
        ids = np.sort(draw.choice(10**9, 301, replace=False)) + 2**33
        places = draw.integers(0, 301, (4000, 2))
        found = similarities(ids[places], ids, *in_lists([[2 * word + 2**40 for word in words] for words in sets]))
        assert found.dtype == np.float32
        expected = [jaccard(frozenset(sets[one]), frozenset(sets[other])) for one, other in places.tolist()]
        assert found.tolist() == np.array(expected, np.float32).tolist()

    def test_of_the_same_words_is_one_and_without_words_nothing(self) -> None:
        words, starts = in_lists([[5, 9, 5], [9, 5], [], [], [11]])
        pairs = np.array([[0, 1], [0, 2], [2, 3], [0, 4], [4, 0]])
        assert similarities(pairs, np.arange(5), words, starts).tolist() == [1, 0, 0, 0, 0]

    def test_no_pairs_have_none(self) -> None:
        assert similarities(np.empty((0, 2), np.int64), np.empty(0, np.int64), *in_lists([])).shape == (0,)

    @pytest.mark.parametrize("ids", [[], [1], [2], [1, 3]])
    def test_a_phrase_whose_words_are_missing_is_an_error(self, ids: list[int]) -> None:
        with pytest.raises(ValueError, match="not given"):
            similarities(np.array([[1, 2]]), np.array(ids, np.int64), *in_lists([[8]] * len(ids)))


class TestKeepFirst:
    def kept(self, pairs: list[tuple[int, int, float]], threshold: float = 0.7) -> list[tuple[int, int, float]]:
        ids = np.array([pair[:2] for pair in pairs], np.int64).reshape(-1, 2)
        found = keep_first(ids, np.array([pair[2] for pair in pairs], np.float32), threshold)
        return [(d, k, round(s, 3)) for d, k, s in zip(*(column.tolist() for column in found), strict=True)]

    def test_a_phrase_is_dropped_for_an_earlier_one(self) -> None:
        assert self.kept([(3, 8, 0.9)]) == [(8, 3, 0.9)]

    def test_less_alike_than_the_threshold_are_both_kept(self) -> None:
        assert self.kept([(3, 8, 0.69), (4, 9, 0.7)]) == [(9, 4, 0.7)]

    def test_a_phrase_like_a_dropped_one_alone_is_kept(self) -> None:
        assert self.kept([(1, 2, 0.8), (2, 3, 0.8), (3, 4, 0.8)]) == [(2, 1, 0.8), (4, 3, 0.8)]

    def test_of_several_it_names_the_most_similar_that_is_kept_and_then_the_lowest(self) -> None:
        pairs = [(1, 2, 0.9), (1, 9, 0.75), (2, 9, 1.0), (3, 9, 0.8), (4, 9, 0.8)]
        assert self.kept(pairs) == [(2, 1, 0.9), (9, 3, 0.8)]

    def test_the_order_of_pairs_decides_nothing(self) -> None:
        pairs = [(1, 2, 0.9), (1, 9, 0.8), (2, 9, 1.0), (3, 9, 0.8), (2, 3, 0.75), (9, 11, 0.9)]
        orders = itertools.permutations(pairs)
        assert {tuple(self.kept(list(order))) for order in orders} == {((2, 1, 0.9), (9, 1, 0.8))}

    @pytest.mark.parametrize("run", [1, 7, 2**20])
    def test_it_is_what_going_through_all_in_order_gives(self, run: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_RUN", run)
        draw = np.random.default_rng(6)
        pairs = unique_pairs([np.sort(draw.choice(10**12, 200)[draw.integers(0, 200, (900, 2))], axis=1)])
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        similarity = (draw.integers(60, 101, len(pairs)) / 100).astype(np.float32)
        gone: dict[int, tuple[int, float]] = {}
        for number in np.unique(pairs).tolist():
            likes = [
                (-alike, one)
                for (one, other), alike in zip(pairs.tolist(), similarity.tolist(), strict=True)
                if other == number and alike >= np.float32(0.7) and one not in gone
            ]
            if likes:
                gone[number] = (min(likes)[1], -min(likes)[0])
        assert 50 < len(gone) < 150
        ids, kept, alike = keep_first(pairs, similarity, 0.7)
        assert list(zip(ids.tolist(), kept.tolist(), alike.tolist(), strict=True)) == [
            (number, *gone[number]) for number in sorted(gone)
        ]

    def test_nothing_of_nothing(self) -> None:
        assert self.kept([]) == []


class TestFromTextsToTheEnd:
    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_changed_phrases_are_dropped_and_none_that_is_not_like_a_kept_one(self, language: str) -> None:
        corpus = planted(language, 12_000, changed=600)
        sets = [set_of(text) for text in corpus.texts]
        ids, kept, alike = (column.tolist() for column in dropped(corpus.texts))
        gone = set(ids)
        like = [
            {row, source} for row, source, _ in corpus.changed if jaccard(sets[row], sets[source]) >= np.float32(0.7)
        ]
        assert len(like) > 500
        assert sum(bool(pair & gone) for pair in like) >= 0.99 * len(like)
        for number, keeper, likeness in zip(ids, kept, alike, strict=True):
            assert keeper < number
            assert keeper not in gone
            assert likeness == np.float32(jaccard(sets[number], sets[keeper])) >= np.float32(0.7)
        # The templates have no near-duplicates of their own, so all but the changed ones are kept.
        assert len(gone) <= 1.01 * len(like)

    def test_the_same_words_in_any_order_leave_one_phrase(self) -> None:
        draw = np.random.default_rng(9)
        words = [f"w{number}" for number in range(12)]
        ids, kept, alike = dropped([" ".join(draw.permutation(words)) for _ in range(3000)])
        assert ids.tolist() == list(range(1, 3000))
        assert set(kept.tolist()) == {0}
        assert set(alike.tolist()) == {1.0}

    def test_hundreds_of_ways_to_say_one_thing_leave_few(self) -> None:
        draw = np.random.default_rng(10)
        texts = [text.split() for text in planted("en", 8_000, changed=10).texts]
        spots = draw.permutation(8_000)[:4000].reshape(10, 400)
        for spot in spots:
            for row in spot[1:]:
                words = list(texts[spot[0]])
                words[draw.integers(len(words))] = texts[draw.integers(8_000)][1]
                texts[row] = words
        gone = np.isin(spots, dropped([" ".join(words) for words in texts])[0])
        # The earliest of each is kept, and those further from it than the threshold.
        assert gone.mean() >= 0.97
        assert not gone.all(axis=1).any()

    def test_a_template_that_says_nearly_all_leaves_few_phrases(self) -> None:
        ids, _, _ = dropped([f"The {n} of the old mill stands at the end of a long road" for n in range(2000)])
        assert 0.98 * 2000 <= len(ids) < 2000

    def test_an_empty_corpus_has_nothing_to_drop(self) -> None:
        assert [len(column) for column in dropped([])] == [0, 0, 0]
        assert [len(column) for column in dropped(["", "...", ""])] == [0, 0, 0]
