import numpy as np
import pyarrow as pa
import pytest

from phrasemill.prompts import PromptBook
from phrasemill.release.slots import SLOTS, slots_by_lexicon
from tests.specs import make_spec


def rows(first: int = 0, last: int = 40) -> pa.Table:
    ids = np.arange(first, last)
    coordinates = PromptBook(make_spec()).coordinates(ids, np.zeros(len(ids), np.int64))
    return coordinates.append_column("phrase_id", pa.array(ids))


def pairs(tables: dict[str, pa.Table]) -> dict[str, list[tuple[int, str]]]:
    return {
        lexicon: list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        for lexicon, table in tables.items()
    }


def one_by_one(table: pa.Table) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for row in table.to_pylist():
        for lexicon, lexeme in row["slots"]:
            found.setdefault(lexicon, []).append((row["phrase_id"], lexeme))
    return found


class TestTakingSlotsApart:
    def test_every_slot_is_in_its_lexicons_table_in_the_order_of_the_rows(self) -> None:
        taken = slots_by_lexicon(rows())
        assert pairs(taken) == one_by_one(rows())
        assert set(taken) == {"object", "place", "trade"}
        assert all(table.schema.equals(SLOTS) for table in taken.values())

    def test_a_template_without_a_lexicon_gives_it_no_row(self) -> None:
        taken = slots_by_lexicon(rows())
        assert taken["object"].num_rows == 40
        assert taken["place"].num_rows == 30  # three templates of four
        assert taken["trade"].num_rows == 10

    @pytest.mark.parametrize("first", [0, 7, 39])
    def test_a_slice_of_rows_gives_its_own_slots_alone(self, first: int) -> None:
        assert pairs(slots_by_lexicon(rows().slice(first, 5))) == one_by_one(rows(first, min(40, first + 5)))

    def test_rows_in_several_chunks_and_out_of_order_are_taken_as_they_come(self) -> None:
        table = pa.concat_tables([rows(20, 30), rows(3, 9), rows(0, 2)])
        assert pairs(slots_by_lexicon(table)) == one_by_one(table)

    def test_a_dictionary_has_the_lexemes_of_these_rows_alone(self) -> None:
        for table in slots_by_lexicon(rows(0, 3)).values():
            column = table.column("lexeme").chunk(0)
            assert sorted(column.dictionary.to_pylist()) == sorted(set(column.to_pylist()))

    def test_no_rows_have_no_slots(self) -> None:
        assert slots_by_lexicon(rows().slice(0, 0)) == {}
