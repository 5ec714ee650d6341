"""Row groups of a release's Parquet files: alike in size, whatever the shards are; how columns are written."""

from collections.abc import Collection, Iterable, Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.encoded_rows import ENCODED, canonical
from phrasemill.release.released_rows import released_schema

MOST_ROWS = 50_000
"""Rows of a group at most; one of several has half as many at least."""
LEVEL = 7
"""Of zstd. 1,000,000 phrases of 157 bytes take 51.3 MB and 2.9 s of CPU; at level 9 50.3 MB and 3.9 s, at level 5
54.0 MB and 2.0 s, at level 3 55.0 MB and 1.2 s."""
DICTIONARIES = ["template", "lang", "chars", "attempt"]
ENCODINGS = {"phrase_id": "DELTA_BINARY_PACKED", "scene": "DELTA_BINARY_PACKED"}
"""Together with texts and hashes out of dictionaries, which they only fill, this saves 9 % of the file."""


def group_sizes(rows: int) -> list[int]:
    """Rows of each group of a file: as few groups as may be, alike in size."""
    groups = -(-rows // MOST_ROWS)
    return [(number + 1) * rows // groups - number * rows // groups for number in range(groups)]


def in_groups(tables: Iterable[pa.Table], sizes: Iterable[int]) -> Iterator[pa.Table]:
    """Rows of ENCODED in canonical tables of these sizes; stops where the rows run out."""
    waiting = ENCODED.empty_table()
    wanted = iter(sizes)
    size = next(wanted, 0)
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while 0 < size <= waiting.num_rows:
            yield canonical(waiting.slice(0, size))
            waiting = waiting.slice(size)
            size = next(wanted, 0)


def parquet_writer(sink: IO[bytes], *, lexicons: Collection[str], by_id: bool) -> pq.ParquetWriter:
    """A writer of rows of `released_schema`: each table written is a row group.

    Chunks of columns are cut by their content, so that two versions of a release share most of their pages, and
    storage that knows pages by content keeps and sends those once.

    Args:
        sink: where the file goes.
        lexicons: that slots are filled from.
        by_id: whether the rows come in the order of their ids, which is then told to readers.
    """
    schema = released_schema(lexicons)
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[*DICTIONARIES, *(f"slots.{lexicon}" for lexicon in lexicons)],
        column_encoding=ENCODINGS,
        write_page_checksum=True,
        write_page_index=True,
        use_content_defined_chunking=True,
        sorting_columns=pq.SortingColumn.from_ordering(schema, [("phrase_id", "ascending")]) if by_id else None,
    )
