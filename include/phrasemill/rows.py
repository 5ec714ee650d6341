"""Rows: the columns of a phrase, and their Parquet form. The same rows always give the same bytes."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.errors import StagingIncomplete
from phrasemill.prompts import PromptBook

SCHEMA = pa.schema(
    [
        pa.field("phrase_id", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_hash", pa.uint64(), nullable=False),
        pa.field("template", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("scene", pa.int64(), nullable=False),
        pa.field("slots", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("lang", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("chars", pa.int16(), nullable=False),
        pa.field("attempt", pa.int16(), nullable=False),
    ]
)
METADATA_KEY = b"phrasemill"


def build_rows(
    book: PromptBook,
    *,
    language: str,
    first_id: int,
    texts: list[str],
    hashes: list[int],
    attempts: npt.NDArray[np.int64],
) -> pa.Table:
    """Rows of consecutive ids from `first_id` on; coordinates come from the prompt book."""
    ids = np.arange(first_id, first_id + len(texts), dtype=np.int64)
    coordinates = book.coordinates(ids, attempts)
    text = pa.array(texts, pa.string())
    lang = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(texts), np.int32)), pa.array([language]))
    columns = [
        pa.array(ids),
        text,
        pa.array(np.array(hashes, dtype=np.uint64)),
        coordinates.column("template"),
        coordinates.column("scene"),
        coordinates.column("slots"),
        lang,
        pa.array(np.fromiter(map(len, texts), np.int16, len(texts))),
        pa.array(attempts.astype(np.int16)),
    ]
    return pa.table(columns, schema=SCHEMA)


def encode_rows(table: pa.Table, metadata: dict[str, Any] | None = None) -> bytes:
    """Parquet (zstd, page checksums); `metadata` is kept as JSON in the file's own metadata."""
    kept = {METADATA_KEY: json.dumps(metadata, sort_keys=True)} if metadata is not None else None
    sink = pa.BufferOutputStream()
    pq.write_table(
        _canonical(table).replace_schema_metadata(kept),
        sink,
        compression="zstd",
        compression_level=3,
        row_group_size=50_000,
        write_page_checksum=True,
        write_page_index=True,
    )
    return bytes(sink.getvalue())


def _canonical(table: pa.Table) -> pa.Table:
    """The same rows in one chunk, of SCHEMA itself, dictionaries in the order of first use.

    Parquet's bytes hang on all three, and they differ between rows just built and rows read back.
    """
    columns = []
    for column in table.itercolumns():
        whole = column.combine_chunks()
        is_dictionary = pa.types.is_dictionary(whole.type)
        columns.append(whole.dictionary_decode().dictionary_encode() if is_dictionary else whole)
    return pa.table(columns, schema=SCHEMA)


def decode_rows(content: bytes, *, source: str) -> tuple[pa.Table, dict[str, Any]]:
    """Rows and metadata of one Parquet file, checksums verified.

    Raises:
        StagingIncomplete: the file is damaged, or not of this schema; `source` names it.
    """
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        table.validate(full=True)  # page checksums do not cover the headers of the pages
        metadata = json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StagingIncomplete(f"{source}: is damaged ({error})") from error
    table = table.replace_schema_metadata(None)
    if not table.schema.equals(SCHEMA) or not isinstance(metadata, dict):
        raise StagingIncomplete(f"{source}: has other columns than a block of this version")
    return table, metadata


def join_rows(tables: list[pa.Table]) -> pa.Table:
    """Rows of several blocks as one table, dictionaries unified."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
