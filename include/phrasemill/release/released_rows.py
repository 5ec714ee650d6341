"""Rows as the Parquet files of a release have them: as in the shards, but for the slots, which are a struct.

The library datasets refuses a column that is a map (5.2: "does not have a datasets dtype equivalent"), and DuckDB,
Polars and pandas make little of one. A struct has a field for every lexicon, so `slots.place` is a column everywhere.
"""

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from phrasemill.release.encoded_rows import one_chunk, slot_words
from phrasemill.rows import SCHEMA


def released_schema(lexicons: Collection[str]) -> pa.Schema:
    """The columns of a release's phrases: rows.SCHEMA, where `slots` has a field for each lexicon, sorted by name.

    A field is null where the phrase's template has no such slot.
    """
    fields = [pa.field(lexicon, pa.string()) for lexicon in sorted(lexicons)]
    slots = pa.field("slots", pa.struct(fields), nullable=False)
    return SCHEMA.set(SCHEMA.get_field_index("slots"), slots)


def released_rows(rows: pa.Table, lexicons: Collection[str]) -> pa.Table:
    """Rows of SCHEMA, or of ENCODED, as rows of `released_schema`; slots of other lexicons are left out."""
    offsets, *words = slot_words(one_chunk(rows.column("slots")))
    owners = np.repeat(np.arange(rows.num_rows), np.diff(offsets.to_numpy()))
    names, lexemes = (column.dictionary_encode() for column in words)
    known = {name: code for code, name in enumerate(names.dictionary.to_pylist())}
    name_codes, lexeme_codes = names.indices.to_numpy(), lexemes.indices.to_numpy()
    fields = []
    for lexicon in sorted(lexicons):
        mine = np.flatnonzero(name_codes == known.get(lexicon, -1))
        codes = np.full(rows.num_rows, -1, np.int32)
        codes[owners[mine]] = lexeme_codes[mine]
        fields.append(lexemes.dictionary.take(pa.array(codes, mask=codes < 0)))
    schema = released_schema(lexicons)
    slots = pa.StructArray.from_arrays(fields, fields=list(schema.field("slots").type))
    columns = [slots if field.name == "slots" else rows.column(field.name) for field in schema]
    return pa.table(columns, schema=schema)
