"""samples.jsonl: phrases spread over a release, for people who want to see some before they fetch all."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from phrasemill.release.place import FileEntry, ReleasePlace
from phrasemill.release.spread import spread
from phrasemill.report.words import spell_out

SAMPLES = "samples.jsonl"
SAMPLED = 200
JSON_LINES = "application/jsonl"


def put_samples(place: ReleasePlace, *, files: int) -> FileEntry:
    """Put samples.jsonl: SAMPLED phrases spread over those that packing has sampled, all columns, one a line.

    Raises:
        WorkMissing: the sample of one of so many files is gone. None is put then.
    """
    content = json_lines(_spread([place.table(f"packed/sample-{file:05d}.parquet") for file in range(files)]))
    return place.put_file(SAMPLES, content, rows=content.count(b"\n"), content_type=JSON_LINES)


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    """Rows as JSON objects, one a line; characters that do not print as themselves are written as escapes."""
    return "".join(f"{spell_out(json.dumps(_plain(row), ensure_ascii=False))}\n" for row in rows).encode()


def _spread(tables: list[pa.Table]) -> list[dict[str, Any]]:
    ends = np.cumsum([table.num_rows for table in tables])
    chosen = spread(int(ends[-1]) if len(ends) else 0, most=SAMPLED)
    rows: list[dict[str, Any]] = []
    for table, end in zip(tables, ends.tolist(), strict=True):
        first = end - table.num_rows
        mine = chosen[(chosen >= first) & (chosen < end)] - first
        rows += table.take(pa.array(mine)).to_pylist()
    return rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Its slots as an object of those that its template has."""
    return row | {"slots": {slot: lexeme for slot, lexeme in dict(row["slots"]).items() if lexeme is not None}}
