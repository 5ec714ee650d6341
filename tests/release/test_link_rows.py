import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.prompts import PromptBook, scene_numbers
from phrasemill.release import link_rows as link_rows_module
from phrasemill.release.link_rows import (
    MAX_LINKS,
    SCHEMA,
    LinkFile,
    Links,
    lexeme_head,
    link_rows,
    scene_links,
    weight,
)
from tests.specs import make_spec

Row = tuple[int, int, str, float]


def by_lexeme(lexicon: str, links: Sequence[tuple[int, int, str]], **weights: float) -> Links:
    """Links of a lexicon as (from, to, lexeme), and the weight of each lexeme."""
    head, lexemes = lexeme_head(lexicon), sorted(weights)
    return Links(
        head,
        np.array([link[0] for link in links], np.int64),
        np.array([link[1] for link in links], np.int64),
        np.array([lexemes.index(link[2]) for link in links], np.int32),
        [f"{head}{lexeme}" for lexeme in lexemes],
        np.array([weights[lexeme] for lexeme in lexemes], np.float32),
    )


def by_scene(ids: Sequence[int], *, length: int) -> Links:
    kept = np.array(ids, np.int64)
    return scene_links(kept, scene_numbers(kept, group=1, scene_phrases=length), weight=2)


def merged(kinds: Sequence[Links], first: int = 0, last: int = 100, *, most: int = MAX_LINKS) -> list[Row]:
    tables = [SCHEMA.empty_table(), *link_rows(kinds, first, last, most=most)]
    return list(zip(*(column.to_pylist() for column in pa.concat_tables(tables).columns), strict=True))


class TestWeights:
    @pytest.mark.parametrize(
        ("kept", "sharing", "bits"), [(1024, 1, 10), (1000, 10, 6.64), (3, 2, 0.58), (5, 5, 0), (5, 9, 0), (0, 0, 0)]
    )
    def test_a_link_weighs_the_bits_that_its_reason_tells(self, kept: int, sharing: int, bits: float) -> None:
        assert weight(kept, sharing) == bits


class TestScenes:
    @pytest.mark.parametrize("n", [1, 4])
    @pytest.mark.parametrize("scene_phrases", [1, 3, 4, 7, 60])
    def test_scene_numbers_are_those_of_the_prompt_book(self, n: int, scene_phrases: int) -> None:
        spec = make_spec(sampling={"n": n}, prompts={"scene_phrases": scene_phrases})
        ids = np.arange(5_000)
        told = PromptBook(spec).coordinates(ids, ids % 3).column("scene").to_pylist()
        assert scene_numbers(ids, group=n, scene_phrases=scene_phrases).tolist() == told
        assert told == sorted(told)

    def test_each_phrase_leads_to_the_next_kept_one_of_its_scene_and_the_last_to_none(self) -> None:
        links = merged([by_scene([0, 1, 3, 5, 6, 12, 14], length=5)])
        assert links == [(0, 1, "scene", 2), (1, 3, "scene", 2), (5, 6, "scene", 2), (12, 14, "scene", 2)]

    @pytest.mark.parametrize("ids", [[], [7]])
    def test_one_phrase_or_none_has_no_link(self, ids: list[int]) -> None:
        assert merged([by_scene(ids, length=5)]) == []


class TestMerging:
    OBJECTS = by_lexeme("object", [(1, 4, "a key"), (2, 1, "a bell"), (4, 2, "a key")], **{"a key": 3, "a bell": 4})
    PLACES = by_lexeme("place", [(1, 2, "the pier"), (4, 1, "the pier")], **{"the pier": 2})

    def test_links_of_all_kinds_stand_by_phrase_and_by_what_they_say(self) -> None:
        rows = merged([self.PLACES, by_scene([0, 1, 2, 4], length=4), self.OBJECTS])
        assert rows == [
            (0, 1, "scene", 2),
            (1, 4, "object: a key", 3),
            (1, 2, "place: the pier", 2),
            (1, 2, "scene", 2),
            (2, 1, "object: a bell", 4),
            (4, 2, "object: a key", 3),
            (4, 1, "place: the pier", 2),
        ]

    def test_links_out_of_other_phrases_are_passed_over(self) -> None:
        assert [row[0] for row in merged([self.OBJECTS, self.PLACES], 2, 4)] == [2]
        assert merged([self.OBJECTS, self.PLACES], 5, 9) == []

    def test_reasons_stand_in_order_whatever_the_lexicons_are_called(self) -> None:
        names = ["scen", "scene", "scene1", "scene_a", "scenes", "a", "a1", "a_b", "z"]
        kinds = [by_lexeme(name, [(1, 2, "ключ")], ключ=1) for name in names]
        rows = merged([*kinds, by_scene([1, 2], length=9)], most=20)
        assert len(rows) == len(names) + 1
        assert [row[2] for row in rows] == sorted(row[2] for row in rows)

    def test_nothing_merged_is_nothing(self) -> None:
        assert merged([]) == []


class TestBounds:
    def test_the_scene_comes_first_then_the_rarest_then_by_what_is_said(self) -> None:
        weights = {"a": 5, "b": 9, "c": 5, "d": 5, "e": 7}
        kinds = [by_lexeme(name, [(3, 8, "x")], x=value) for name, value in weights.items()]
        chosen = [
            [why for _, _, why, _ in merged([*kinds, by_scene([3, 4], length=9)], most=most)] for most in range(1, 7)
        ]
        assert chosen == [
            ["scene"],
            ["b: x", "scene"],
            ["b: x", "e: x", "scene"],
            ["a: x", "b: x", "e: x", "scene"],
            ["a: x", "b: x", "c: x", "e: x", "scene"],
            ["a: x", "b: x", "c: x", "d: x", "e: x", "scene"],
        ]

    def test_no_phrase_has_more_than_the_most_and_those_with_fewer_keep_all(self) -> None:
        """Phrase k has links of the first k kinds."""
        kinds = [
            by_lexeme(f"kind{number:02d}", [(phrase, 90, "x") for phrase in range(number + 1, 14)], x=number)
            for number in range(12)
        ]
        counts = Counter(row[0] for row in merged(kinds))
        assert [counts[phrase] for phrase in range(14)] == [min(phrase, 12, MAX_LINKS) for phrase in range(14)]

    def test_a_link_that_tells_nothing_is_still_a_link(self) -> None:
        assert merged([by_lexeme("a", [(1, 2, "x")], x=0), by_lexeme("b", [(1, 3, "x")], x=0)], most=1) == [
            (1, 2, "a: x", 0)
        ]


class TestFiles:
    def kinds(self) -> list[Links]:
        links = [(phrase, (phrase * 7 + 1) % 90, f"w{phrase % 30:02d}") for phrase in range(90)]
        weights = {f"w{number:02d}": number / 4 for number in range(30)}
        return [by_lexeme("object", links, **weights), by_scene(range(90), length=10)]

    def written(self, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, int]:
        monkeypatch.setattr(link_rows_module, "GROUP_ROWS", 20)
        file = LinkFile()
        for table in link_rows(self.kinds(), 0, 100):
            file.add(table)
        return file.close(), file.rows

    def test_what_is_read_is_what_was_merged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content, rows = self.written(monkeypatch)
        table = pq.read_table(io.BytesIO(content))
        assert table.schema.remove_metadata().equals(SCHEMA)
        assert table.num_rows == rows == 90 + 81
        assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == merged(self.kinds())

    def test_a_phrase_lies_in_one_row_group_and_statistics_find_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        metadata = pq.ParquetFile(io.BytesIO(self.written(monkeypatch)[0])).metadata
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        bounds = [(group.column(0).statistics.min, group.column(0).statistics.max) for group in groups]
        assert bounds == [(first, first + 9) for first in range(0, 90, 10)]
        for group in groups:
            assert [(column.column_index, column.descending) for column in group.sorting_columns] == [
                (0, False),
                (2, False),
            ]
            assert group.column(0).has_offset_index
            assert group.column(0).has_column_index

    def test_a_row_groups_dictionary_has_what_is_said_in_it_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        file = pq.ParquetFile(io.BytesIO(self.written(monkeypatch)[0]))
        for group in range(file.num_row_groups):
            column = file.read_row_group(group).column("why").chunk(0)
            assert sorted(column.dictionary.to_pylist()) == sorted(set(column.to_pylist()))

    def test_the_same_links_make_the_same_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.written(monkeypatch) == self.written(monkeypatch)

    def test_no_links_make_a_file_too(self) -> None:
        content = LinkFile().close()
        assert pq.read_table(io.BytesIO(content)).schema.remove_metadata().equals(SCHEMA)
