"""Rows of a release: the same as those of the shards, their slots a column for each lexicon."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from phrasemill.release.contents import features
from phrasemill.release.encoded_rows import encoded
from phrasemill.release.released_rows import released_rows, released_schema
from phrasemill.rows import SCHEMA
from tests.release.releasing import release_spec
from tests.store.rows import make_rows

SPEC = release_spec()
LEXICONS = SPEC.prompts.lexicons


@pytest.mark.parametrize("form", [lambda rows: rows, encoded])
@pytest.mark.parametrize("part", [slice(0, 60), slice(7, 31), slice(0, 0)])
def test_rows_keep_their_values(form: Callable[[pa.Table], pa.Table], part: slice) -> None:
    rows = make_rows(SPEC, 0, 60).slice(part.start, part.stop - part.start)
    told = released_rows(form(rows), LEXICONS)
    told.validate(full=True)
    assert told.schema == released_schema(LEXICONS)
    for row, released in zip(rows.to_pylist(), told.to_pylist(), strict=True):
        assert released["slots"].keys() == set(LEXICONS)
        slots = {slot: lexeme for slot, lexeme in released["slots"].items() if lexeme is not None}
        assert released | {"slots": slots} == row | {"slots": dict(row["slots"])}


def test_the_schema_hangs_on_the_names_of_the_lexicons_alone() -> None:
    assert released_schema(["b", "a"]) == released_schema(["a", "b"])
    assert [field.name for field in released_schema(["b", "a"]).field("slots").type] == ["a", "b"]
    assert released_schema(["a"]).names == SCHEMA.names


def test_a_lexicon_that_no_row_has_is_null_throughout() -> None:
    told = released_rows(make_rows(SPEC, 0, 20), [*LEXICONS, "weather"])
    assert {row["slots"]["weather"] for row in told.to_pylist()} == {None}


def test_the_library_datasets_has_a_word_for_every_column() -> None:
    [slots] = [column for column in features(released_schema(["a", "b"])) if column["name"] == "slots"]
    assert slots == {"name": "slots", "struct": [{"name": "a", "dtype": "string"}, {"name": "b", "dtype": "string"}]}
