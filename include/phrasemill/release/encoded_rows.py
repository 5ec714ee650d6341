"""Rows of which every repeated word is in a dictionary, the slots' too: a third of the size, and quick to count.

The same rows may come with dictionaries in any order, since shards and blocks have their own. `canonical` puts them in
the order of first use; what is made of canonical rows follows from the rows alone.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from phrasemill.rows import SCHEMA

WORDS = pa.dictionary(pa.int32(), pa.string())
ENCODED = pa.schema(
    [pa.field("slots", pa.map_(WORDS, WORDS), nullable=False) if field.name == "slots" else field for field in SCHEMA]
)


def encoded(rows: pa.Table) -> pa.Table:
    """Rows of SCHEMA as rows of ENCODED, in one chunk; those whose slots are encoded already may come too."""
    return _with_slots(rows.combine_chunks(), lambda words: words.dictionary_encode(), schema=ENCODED)


def plain(rows: pa.Table) -> pa.Table:
    """Rows of ENCODED as rows of SCHEMA, in one chunk."""
    return _with_slots(rows.combine_chunks(), lambda words: words.dictionary_decode(), schema=SCHEMA)


def canonical(rows: pa.Table) -> pa.Table:
    """The same rows of ENCODED in one chunk, each dictionary in the order of first use and without unused words."""
    rows = _with_slots(rows.combine_chunks(), by_first_use, schema=ENCODED)
    for index, field in enumerate(ENCODED):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(index, field, by_first_use(one_chunk(rows.column(index))))
    return rows


def by_first_use(words: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same words, their dictionary in the order of first use and without unused ones."""
    codes = words.indices.to_numpy()
    first = np.full(len(words.dictionary), len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several, the last one written stays: the first use
    used = np.argsort(first, kind="stable")[: int((first < len(codes)).sum())].astype(np.int32)
    places = np.zeros(len(first), np.int32)
    places[used] = np.arange(len(used), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(places[codes]), words.dictionary.take(pa.array(used)))


def slot_words(slots: pa.MapArray) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Offsets from 0, lexicons and lexemes of slots, which may be a slice."""
    offsets = slots.offsets.to_numpy()
    first, length = int(offsets[0]), int(offsets[-1] - offsets[0])
    return pa.array(offsets - offsets[0]), slots.keys.slice(first, length), slots.items.slice(first, length)


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, which may be empty."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _with_slots(rows: pa.Table, change: Callable[[pa.Array], pa.Array], *, schema: pa.Schema) -> pa.Table:
    """Rows of this schema, whose slots have had their lexicons and lexemes changed."""
    offsets, lexicons, lexemes = slot_words(one_chunk(rows.column("slots")))
    slots = pa.MapArray.from_arrays(offsets, change(lexicons), change(lexemes))
    columns = [slots if field.name == "slots" else rows.column(field.name) for field in schema]
    return pa.table(columns, schema=schema)
