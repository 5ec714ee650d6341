"""The tables of a release: which files they lie in, what their columns mean, and their types elsewhere."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.errors import ReleaseError
from phrasemill.release.place import FileEntry
from phrasemill.store.bucket import Bucket

MAGIC = b"PAR1"
TAIL = 8  # bytes: the length of the footer, then MAGIC


@dataclass(frozen=True, slots=True)
class TableKind:
    """A table of every release."""

    name: str
    """Of its configuration for Hugging Face, and of its record set for Croissant."""
    pattern: str
    """Which files hold it."""
    what: str
    columns: dict[str, str]
    """What each column means."""
    key: tuple[str, ...] = ()

    def files(self, entries: Sequence[FileEntry]) -> list[FileEntry]:
        """Its files, by path."""
        return sorted((e for e in entries if fnmatch.fnmatch(e.path, self.pattern)), key=lambda entry: entry.path)


PHRASES = TableKind(
    "phrases",
    "data/train-*.parquet",
    "The phrases, one a row.",
    {
        "phrase_id": "number of the phrase in the corpus; the same in all tables",
        "text": "the phrase",
        "text_hash": "xxh3 of the text, NFKC and case folded, runs of space made one",
        "template": "name of the template that its prompt was made from",
        "scene": "number of the scene that it belongs to",
        "slots": "by lexicon, the lexeme that stood in its prompt; null where the template has no such slot",
        "lang": "language it was asked for in",
        "chars": "Unicode characters of the text",
        "attempt": "how often its prompt was changed and asked again before an answer passed the rules",
    },
    ("phrase_id",),
)
LINKS = TableKind(
    "links",
    "links*.parquet",
    "Phrases that lead to one another: to the next one of the same scene, or to another one with the same rare lexeme.",
    {
        "from": "phrase_id of the phrase that is left",
        "to": "phrase_id of the phrase that is reached",
        "why": "'scene', or the lexicon and the lexeme that both have",
        "weight": "bits that the reason tells: log2 of the phrases of the release over those that share it; of a "
        "scene, over as many as a whole one has",
    },
)
DROPPED = TableKind(
    "dropped",
    "dropped.parquet",
    "Phrases of the shards that were left out as duplicates, and the earlier phrase that was kept for each.",
    {
        "phrase_id": "the phrase left out",
        "kept_id": "the earlier phrase that it repeats; the release lacks it where it lies beyond the target",
        "why": "'exact' or 'near'",
        "similarity": "words in both, of words in either; 1 for exact ones",
    },
    ("phrase_id",),
)
LEXEMES = TableKind(
    "lexemes",
    "index/lexemes.parquet",
    "For each lexeme, the phrases whose prompts had it.",
    {
        "slot": "its lexicon",
        "lexeme": "as it stands in the column slots of the phrases",
        "phrases": "how many phrases have it",
        "linked": "whether phrases are linked by it: it is rare enough",
        "ids": "some of those phrases, at most 500, by id",
    },
    ("slot", "lexeme"),
)
WORDS = TableKind(
    "words",
    "index/words.parquet",
    "For each word of the phrases, where it is found.",
    {
        "word": "the word, folded",
        "phrases": "how many phrases of the shards have it, duplicates included",
        "ids": "some phrases of the release with it, at most 500",
    },
    ("word",),
)
TABLES = (PHRASES, LINKS, DROPPED, LEXEMES, WORDS)


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a Parquet file tells of it."""

    rows: int
    bytes: int
    """Of its columns, encoded and not compressed."""
    schema: pa.Schema


def read_footer(bucket: Bucket, key: str, *, size: int) -> Footer:
    """Read the footer of a Parquet file of `size` bytes, and nothing else of it.

    Raises:
        ReleaseError: it has none.
    """
    tail = bucket.get_range(key, size - TAIL, TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > size - TAIL:
        raise ReleaseError(f"s3://{bucket.name}/{key}: does not end as a Parquet file does; make the release again")
    footer = bucket.get_range(key, size - TAIL - length, length)
    try:
        # A reader asks for the last bytes only, so that the columns before them may be missing.
        told = pq.read_metadata(pa.BufferReader(MAGIC + footer + tail))
    except (pa.ArrowException, OSError) as error:
        raise ReleaseError(f"s3://{bucket.name}/{key}: is damaged ({error}); make the release again") from error
    stored = sum(told.row_group(number).total_byte_size for number in range(told.num_row_groups))
    return Footer(told.num_rows, stored, told.schema.to_arrow_schema())


def features(schema: pa.Schema) -> list[dict[str, Any]]:
    """The columns in the words of a Hugging Face card.

    Raises:
        ReleaseError: the library datasets could not load one of them.
    """
    return [{"name": field.name} | _feature(field.name, field.type) for field in schema]


def _feature(name: str, kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_dictionary(kind):
        return _feature(name, kind.value_type)
    if pa.types.is_struct(kind):
        return {"struct": features(pa.schema(list(kind)))}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _feature(name, kind.value_type)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return {"dtype": str(kind)}
    if pa.types.is_floating(kind):
        return {"dtype": f"float{kind.bit_width}"}
    raise ReleaseError(f"column {name} is of type {kind}, which the library datasets cannot load; write another")
