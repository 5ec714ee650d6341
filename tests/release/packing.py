"""What tests of packing share: a release whose duplicates are resolved, and what must come out of it, row by row."""

import datetime as dt
import hashlib
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.drops import dropped_table
from phrasemill.release.kept import KeptRows
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import Cuts, ReleasePlan, ReleaseShard
from phrasemill.release_settings import ReleaseSettings
from phrasemill.rows import decode_rows
from tests.release.committing import commit, memory_store, objects_of
from tests.specs import make_spec

NO_PAIRS = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass
class Resolved:
    """A release up to `resolve`."""

    place: ReleasePlace
    kept: list[int]
    """Ids, in order."""

    @cached_property
    def rows(self) -> dict[int, dict[str, Any]]:
        """Of all its shards, by id."""
        contents = [objects_of(self.place.store)[shard.data_key] for shard in self.place.plan.shards]
        tables = [decode_rows(content, source="a shard")[0] for content in contents]
        return {row["phrase_id"]: row for table in tables for row in table.to_pylist()}

    @property
    def rows_kept(self) -> KeptRows:
        return KeptRows.read(self.place)

    def expected(self, ids: Iterable[int] | None = None) -> list[dict[str, Any]]:
        return [self.rows[one] for one in (self.kept if ids is None else ids)]

    def object(self, path: str) -> bytes:
        """A file of the finished release."""
        return objects_of(self.place.store)[self.place.keys.file(path)]

    def finished(self) -> dict[str, bytes]:
        """All files of phrases, by path."""
        start, objects = len(self.place.keys.file("")), objects_of(self.place.store)
        folders = tuple(self.place.keys.file(folder) for folder in ("data/", "text/"))
        return {key[start:]: objects[key] for key in sorted(objects) if key.startswith(folders)}

    def data(self) -> list[dict[str, Any]]:
        """The rows of all Parquet files, one file after the other."""
        contents = [content for path, content in self.finished().items() if path.startswith("data/")]
        return [row for content in contents for row in pq.read_table(io.BytesIO(content)).to_pylist()]

    def released(self, ids: Iterable[int] | None = None) -> list[dict[str, Any]]:
        """What `data` must find: the expected rows, their slots with a field for every lexicon."""
        nothing = dict.fromkeys(self.place.store.spec.prompts.lexicons)
        return [row | {"slots": nothing | dict(row["slots"])} for row in self.expected(ids)]

    def lines(self) -> list[str]:
        """The lines of all text files, one file after the other."""
        contents = [content for path, content in self.finished().items() if path.startswith("text/")]
        return [line for content in contents for line in unpacked(content)]


def unpacked(content: bytes) -> list[str]:
    text: str = pa.CompressedInputStream(pa.py_buffer(content), "zstd").read().decode()
    assert text.endswith("\n")
    return text[:-1].split("\n")


def phrase(number: int) -> str:
    """Some marks that readers of tables trip over, and digits enough that zstd saves little; no two alike."""
    marks = ('"', "'", ",", ";", "\t", "\u2028", "ё")
    return f"Lamp {number}, {marks[number % len(marks)]} {hashlib.sha256(str(number).encode()).hexdigest()}."


def resolved(
    *,
    shards: Sequence[int] = (0, 1, 2, 3),
    shard_rows: int = 1_000,
    drop: Collection[int] = (),
    target: int | None = None,
    spans: tuple[tuple[int, int], ...] | None = None,
    texts: dict[int, str] | None = None,
    **settings: Any,
) -> Resolved:
    """A release of these shards, less what is dropped, up to the target; by default all that is left."""
    spec = make_spec(target_phrases=shard_rows * 6, shard_phrases=shard_rows, block_phrases=shard_rows // 2)
    store = memory_store(spec)
    of_shards, committed = list[ReleaseShard](), list[int]()
    for number in shards:
        ids = range(number * shard_rows, (number + 1) * shard_rows)
        manifest = commit(store, number, [(texts or {}).get(one) or phrase(one) for one in ids])
        of_shards.append(
            ReleaseShard(
                shard=number,
                first_id=manifest.first_id,
                rows=manifest.rows,
                data_key=manifest.data_key,
                data_sha256=manifest.data_sha256,
                data_bytes=manifest.data_bytes,
            )
        )
        committed += ids
    drop = sorted(set(drop) & set(committed))
    unique = sorted(set(committed) - set(drop))
    kept = unique[:target]
    plan = ReleasePlan(
        corpus=spec.name,
        version="v1",
        partial=len(shards) < 6,
        created_at=dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
        fingerprint=store.fingerprint,
        target=max(1, len(kept)),
        shards=tuple(of_shards),
        settings=ReleaseSettings(**settings),
        cuts=Cuts(
            spans=spans or tuple((index, index + 1) for index in range(len(shards))),
            exact_parts=1,
            near_groups=(),
            near_parts=1,
            link_ranges=1,
        ),
    )
    place = ReleasePlace(store, plan)
    pairs = np.array([(one, committed[0]) for one in drop], np.int64).reshape(-1, 2)
    sink = io.BytesIO()
    pq.write_table(dropped_table(pairs, NO_PAIRS), sink)
    place.put_file("dropped.parquet", sink.getvalue(), rows=len(pairs))
    counts = {"unique": len(unique), "kept": len(kept), "exact": len(drop), "near": 0, "committed": len(committed)}
    place.put_json("kept.json", counts | {"last_id": kept[-1] if kept else -1})
    return Resolved(place, kept)


def some(numbers: range, *, share: int = 13) -> set[int]:
    """One of so many, at no even distance."""
    return {number for number in numbers if number * 2654435761 % 2**32 % share == 0}
