"""Words of a corpus: how many phrases have each, and some from all over."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.release import word_samples as module
from phrasemill.release.tokens import tokens_of
from phrasemill.release.word_samples import OF_CHUNK, SCHEMA, merge_word_samples, word_samples
from tests.release.templated_texts import templated


def sampled(texts: list[str], first_id: int = 0) -> pa.Table:
    return word_samples(tokens_of(pa.array(texts, pa.string())), np.arange(first_id, first_id + len(texts)))


def rows_of(table: pa.Table) -> dict[str, tuple[int, list[int]]]:
    assert table.schema == SCHEMA
    words = table["word"].to_pylist()
    assert words == sorted(words)
    assert len(set(words)) == len(words)
    return {row["word"]: (row["phrases"], row["ids"]) for row in table.to_pylist()}


def phrases_by_word(texts: list[str], first_id: int = 0) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts, first_id):
        for word in sorted(set(text.lower().replace(",", "").replace(".", "").split())):
            found[word].append(number)
    return found


def all_kept(ids: np.ndarray) -> np.ndarray:
    return np.ones(len(ids), np.bool_)


class TestOfAChunk:
    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_counts_are_of_phrases_and_ids_are_of_some_of_them(self, language: str) -> None:
        texts = templated(language, 6000)
        found, expected = rows_of(sampled(texts, 10**10)), phrases_by_word(texts, 10**10)
        assert {word: count for word, (count, _) in found.items()} == {w: len(ids) for w, ids in expected.items()}
        assert any(count > 3000 for count, _ in found.values())
        for word, (count, ids) in found.items():
            assert len(ids) == min(count, OF_CHUNK)
            assert ids == sorted(set(ids))
            assert set(ids) <= set(expected[word])

    def test_common_words_have_phrases_from_everywhere(self) -> None:
        ids = rows_of(sampled(["the"] * 64_000))["the"][1]
        counts, _ = np.histogram(ids, bins=8, range=(0, 64_000))
        assert counts.min() >= 5

    def test_words_of_every_second_phrase_are_found_like_others(self) -> None:
        words = rows_of(sampled(["even", "odd"] * 20_000))
        for word, rest in (("even", 0), ("odd", 1)):
            count, ids = words[word]
            assert (count, len(ids), {number % 2 for number in ids}) == (20_000, OF_CHUNK, {rest})

    def test_a_word_counts_once_a_phrase(self) -> None:
        assert rows_of(sampled(["a b a", "", "A, a!", "c"], 5)) == {"a": (2, [5, 7]), "b": (1, [5]), "c": (1, [8])}

    @pytest.mark.parametrize("texts", [[], ["", "?"]])
    def test_no_words_make_an_empty_table(self, texts: list[str]) -> None:
        assert rows_of(sampled(texts)) == {}


class TestOfAllChunks:
    def test_adds_counts_and_takes_kept_ids_alone(self) -> None:
        chunks = [["a b", "b c"], ["c d", "a"], ["e"]]
        tables = [sampled(texts, 10 * number) for number, texts in enumerate(chunks)]
        merged = rows_of(merge_word_samples(tables, lambda ids: ids != 10))
        assert merged == {"a": (2, [0, 11]), "b": (2, [0, 1]), "c": (2, [1]), "d": (1, []), "e": (1, [20])}

    @pytest.mark.parametrize("words_at_once", [3, 100, 2**14])
    def test_is_what_the_chunks_hold(self, words_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_RANGE", words_at_once)
        texts, most = templated("ru", 3000), 100
        tables = [sampled(texts[first : first + 600], first) for first in range(0, 3000, 600)]
        chunks = [rows_of(table) for table in tables]
        merged = rows_of(merge_word_samples(tables, lambda ids: ids % 10 > 0, most=most))
        expected = phrases_by_word(texts)
        assert merged.keys() == expected.keys()
        for word, (count, ids) in merged.items():
            offered = [number for chunk in chunks for number in chunk.get(word, (0, []))[1] if number % 10]
            assert count == len(expected[word])
            assert ids == [offered[k] for k in range(len(offered)) if keeps(k, len(offered), most)]

    def test_takes_at_most_so_many_from_everywhere(self) -> None:
        tables = [sampled(["the"] * 1000, 1000 * number) for number in range(10)]
        count, ids = rows_of(merge_word_samples(tables, all_kept, most=500))["the"]
        assert (count, len(ids)) == (10_000, 500)
        assert np.bincount(np.array(ids) // 1000).tolist() == [50] * 10

    def test_the_order_of_chunks_decides_nothing(self) -> None:
        texts = templated("en", 900)
        tables = [sampled(texts[first : first + 300], first) for first in (0, 300, 600)]
        one, other = (merge_word_samples(order, all_kept, most=50) for order in (tables, tables[::-1]))
        assert one.equals(other)

    def test_reads_what_parquet_gives_back(self) -> None:
        table = sampled(["a b", "b c"])
        pieces = pa.concat_tables([table.slice(0, 1), table.slice(1)])
        assert merge_word_samples([pieces], all_kept).equals(merge_word_samples([table], all_kept))

    def test_no_chunks_make_an_empty_table(self) -> None:
        assert rows_of(merge_word_samples([], all_kept)) == {}
        assert rows_of(merge_word_samples([sampled([]), sampled([""])], all_kept)) == {}


def keeps(rank: int, count: int, most: int) -> bool:
    return count <= most or (rank + 1) * most // count > rank * most // count
