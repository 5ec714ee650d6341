"""Small releases in a folder, as a release leaves its files: for tests of what reads them."""

import datetime as dt
import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.errors import StoreError, StoreUnavailable
from phrasemill.prompts import PromptBook
from phrasemill.release.manifest import ReleaseManifest, VerdictSummary
from phrasemill.release.order_hash import order_hash
from phrasemill.release.place import FileEntry
from phrasemill.release.released_rows import released_rows
from phrasemill.rows import build_rows
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Entry
from tests.specs import make_spec

LINKS = pa.schema(
    [
        ("from", pa.int64()),
        ("to", pa.int64()),
        ("why", pa.dictionary(pa.int32(), pa.string())),
        ("weight", pa.float32()),
    ]
)
LEXEMES = pa.schema(
    [
        ("slot", pa.string()),
        ("lexeme", pa.string()),
        ("phrases", pa.int64()),
        ("linked", pa.bool_()),
        ("ids", pa.list_(pa.int64())),
    ]
)
WORDS = pa.schema([("word", pa.string()), ("phrases", pa.int64()), ("ids", pa.list_(pa.int64()))])
LEFT_OUT = 17
"""Every so many phrases one is left out, as duplicates are."""
SEED = 11
COMMON = 200
"""Lexemes of more phrases link none."""


def browse_spec(**changes: Any) -> CorpusSpec:
    """The tiny corpus with scenes of five phrases."""
    return make_spec(**({"prompts": {"scene_phrases": 5}} | changes))


def phrases_of(spec: CorpusSpec, count: int, texts: Sequence[str] | None = None) -> pa.Table:
    """Rows of the first `count` ids, one in LEFT_OUT left out; each text names its lexemes."""
    ids = np.arange(count)
    slots = [dict(pairs) for pairs in PromptBook(spec).coordinates(ids, np.zeros_like(ids)).column("slots").to_pylist()]
    texts = texts or [
        f"Story {number} of week w{number % 53} is of {' and '.join(found.values())}."
        for number, found in enumerate(slots)
    ]
    rows = build_rows(
        PromptBook(spec),
        language=spec.language,
        first_id=0,
        texts=list(texts),
        hashes=[text_hash(text) for text in texts],
        attempts=np.zeros_like(ids),
    )
    return rows.filter(pa.array(ids % LEFT_OUT != LEFT_OUT - 1))


def write_release(
    folder: Path,
    rows: pa.Table,
    *,
    corpus: str = "tiny",
    version: str = "v1",
    title: str = "Tiny harbour",
    day: int = 1,
    shuffled: bool = False,
    group_rows: int = 40,
) -> Path:
    """A release of these rows, in two files of phrases and of links; gives back its folder."""
    for name in ("data", "index"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    ordered = rows.to_pylist()
    rows = released_rows(rows, {slot for row in ordered for slot, _ in row["slots"]})
    middle = len(rows) // 2
    if shuffled:
        hashes = order_hash(rows.column("phrase_id").to_numpy(), seed=SEED)
        rows = rows.take(pa.array(np.argsort(hashes)))
        middle = int((hashes < 2**63).sum())
    for number, part in enumerate((rows.slice(0, middle), rows.slice(middle))):
        _write(part, folder / f"data/train-{number:05d}-of-00002.parquet", group_rows)
    lexemes, words = _lexemes(ordered), _words(ordered)
    links = _links(ordered, lexemes)
    half = next((place for place, link in enumerate(links) if link["from"] > links[len(links) // 2]["from"]), 0)
    for number, part in enumerate((links[:half], links[half:])):
        _write(pa.Table.from_pylist(part, LINKS), folder / f"links-{number:05d}-of-00002.parquet", 4 * group_rows)
    _write(pa.Table.from_pylist(lexemes, LEXEMES), folder / "index/lexemes.parquet", 100)
    _write(pa.Table.from_pylist(words, WORDS), folder / "index/words.parquet", 100)
    manifest = _manifest(folder, corpus=corpus, version=version, title=title, day=day, shuffled=shuffled)
    (folder / "manifest.json").write_bytes(manifest.as_json())
    return folder


def _manifest(folder: Path, *, corpus: str, version: str, title: str, day: int, shuffled: bool) -> ReleaseManifest:
    entries = [
        FileEntry(
            path=str(path.relative_to(folder)),
            bytes=path.stat().st_size,
            sha256="0" * 64,
            rows=pq.read_metadata(path).num_rows,
        )
        for path in sorted(folder.rglob("*.parquet"))
    ]
    phrases = sum(entry.rows or 0 for entry in entries if entry.path.startswith("data/"))
    return ReleaseManifest(
        corpus=corpus,
        title=title,
        version=version,
        partial=False,
        created_at=dt.datetime(2026, 11, day, tzinfo=dt.UTC),
        fingerprint="f" * 16,
        plan_digest="d" * 12,
        target=phrases,
        phrases=phrases,
        chars=1,
        text_bytes=1,
        committed=phrases,
        dropped_exact=0,
        dropped_near=0,
        near_duplicates=0.7,
        order="shuffled" if shuffled else "id",
        seed=SEED,
        language="en",
        model="tiny-model",
        adapter=None,
        shards="0",
        files=tuple(entries),
        verdict=VerdictSummary(passed=True, expectations=1, warnings=()),
    )


def _write(table: pa.Table, path: Path, group_rows: int) -> None:
    pq.write_table(table, path, compression="zstd", row_group_size=group_rows, write_page_index=True)


def _lexemes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        for pair in row["slots"]:
            ids[pair].append(row["phrase_id"])
    return [
        {
            "slot": slot,
            "lexeme": lexeme,
            "phrases": len(found),
            "linked": len(found) < COMMON,
            "ids": found[:: -(-len(found) // 500)],
        }
        for (slot, lexeme), found in sorted(ids.items())
    ]


def _links(rows: list[dict[str, Any]], lexemes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    links = [
        {"from": one["phrase_id"], "to": other["phrase_id"], "why": "scene", "weight": 1.0}
        for one, other in itertools.pairwise(rows)
        if one["scene"] == other["scene"]
    ]
    for lexeme in lexemes:
        ids = lexeme["ids"]
        why = f"{lexeme['slot']}: {lexeme['lexeme']}"
        pairs = zip(ids, ids[1:] + ids[:1], strict=True) if lexeme["linked"] else ()
        weight = float(np.log2(len(rows) / len(ids)))
        links += [{"from": one, "to": other, "why": why, "weight": weight} for one, other in pairs if one != other]
    return sorted(links, key=lambda link: (link["from"], link["why"]))


def _words(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        for word in sorted(set(re.findall(r"[\w'’]+", row["text"].lower()))):
            ids[word].append(row["phrase_id"])
    return [
        {"word": word, "phrases": len(found), "ids": found[:: -(-len(found) // 500)]}
        for word, found in sorted(ids.items())
    ]


class FolderBucket:
    """A bucket whose objects lie in a folder, by their keys; counts what is read in ranges.

    `down` makes every further request fail as one to a server that does not answer.
    """

    name = "counted"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ranges: list[tuple[str, int, int]] = []
        self.down = False

    @property
    def bytes_read(self) -> int:
        return sum(length for _, _, length in self.ranges)

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        return path.read_bytes() if path.is_file() else None

    def get_range(self, key: str, first: int, length: int) -> bytes:
        path = self._path(key)
        if not path.is_file():
            raise StoreError(f"s3://{self.name}/{key}: is not there")
        with path.open("rb") as file:
            file.seek(first)
            content = file.read(length)
        self.ranges.append((key, first, len(content)))
        return content

    def entry(self, key: str) -> Entry | None:
        path = self._path(key)
        return Entry(key, path.stat().st_size, path.stat().st_mtime) if path.is_file() else None

    def folders(self, prefix: str) -> list[str]:
        return sorted(f"{prefix}{path.name}/" for path in self._path(prefix).glob("*") if path.is_dir())

    def _path(self, key: str) -> Path:
        if self.down:
            raise StoreUnavailable(f"s3://{self.name}/{key}: does not answer; retry later")
        return self.folder / key
