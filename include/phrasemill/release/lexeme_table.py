"""Look-up tables of a release: which phrases have a lexeme, and which have a word."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.rings import Sample

ROWS = 20_000
"""Rows of a row group: a look-up reads one."""
SCHEMA = pa.schema(
    [
        pa.field("slot", pa.string(), nullable=False),
        pa.field("lexeme", pa.string(), nullable=False),
        pa.field("phrases", pa.int64(), nullable=False),
        pa.field("linked", pa.bool_(), nullable=False),
        pa.field("ids", pa.list_(pa.field("element", pa.int64(), nullable=False)), nullable=False),
    ]
)


def lexeme_table(
    lexicon: str, lexemes: Sequence[str], *, counts: Sequence[int], linked: Sequence[bool], samples: Sequence[Sample]
) -> pa.Table:
    """A table of SCHEMA of a lexicon's lexemes, in their order; each of `samples` is of a run of them."""
    ids = [np.empty(0, np.int64), *(sample.ids for sample in samples)]
    sizes = [np.zeros(1, np.int64), *(sample.sizes for sample in samples)]
    starts = np.cumsum(np.concatenate(sizes)).astype(np.int32)
    columns = [
        pa.array([lexicon] * len(lexemes), pa.string()),
        pa.array(lexemes, pa.string()),
        pa.array(counts, pa.int64()),
        pa.array(linked, pa.bool_()),
        pa.ListArray.from_arrays(pa.array(starts), pa.array(np.concatenate(ids)), type=SCHEMA.field("ids").type),
    ]
    return pa.table(columns, schema=SCHEMA)


def encode_index(table: pa.Table, *, by: Sequence[str]) -> bytes:
    """Parquet of a look-up table that is sorted by these columns and has the column ids, a list of int64."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROWS,
        compression="zstd",
        compression_level=3,
        use_dictionary=False,
        # Ids of a list rise: their differences take 20 % less than they do, and half the time to write.
        column_encoding={"ids.list.element": "DELTA_BINARY_PACKED"},
        sorting_columns=pq.SortingColumn.from_ordering(table.schema, [(name, "ascending") for name in by]),
        write_page_index=True,
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())
