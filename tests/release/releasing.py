"""Releases as they are just before they are published: every file and every work object that earlier steps leave."""

import datetime as dt
import io
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.committed_rows import shard_rows
from phrasemill.release.drops import SCHEMA as DROPPED
from phrasemill.release.keys import numbered
from phrasemill.release.link_rows import SCHEMA as LINKS
from phrasemill.release.packed import Packed, packed_name
from phrasemill.release.place import PARQUET, ReleasePlace
from phrasemill.release.planning import plan_release
from phrasemill.release.released_rows import released_rows
from phrasemill.release.text_file import text_frame
from phrasemill.rows import join_rows
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, memory_store
from tests.specs import make_spec, merged

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
KEPT = 180
DROPS = {5: (3, "exact", 1.0), 70: (9, "near", 0.8125)}
FIGURES = {
    "heaps_exponent": 0.62,
    "distinct_1": 0.71,
    "self_bleu": None,
    "language_share": 0.96,
    "sampled_phrases": 180,
}
WARNING = {"name": "Zipf slope", "observed": "0.61", "limit": "0.7 to 1.3"}
LEXEMES = pa.schema(
    [("slot", pa.string()), ("lexeme", pa.string()), ("phrases", pa.int64()), ("linked", pa.bool_())]
).append(pa.field("ids", pa.list_(pa.int64())))
WORDS = pa.schema([("word", pa.string()), ("phrases", pa.int64()), ("ids", pa.list_(pa.int64()))])


def release_spec(**changes: Any) -> CorpusSpec:
    """The tiny corpus: 180 phrases wanted, 240 written."""
    return make_spec(**merged({"target_phrases": KEPT, "oversample": 1 / 3}, changes))


def made_release(
    store: CorpusStore | None = None, *, version: str = "v1", files: int = 2, partial: bool = False
) -> ReleasePlace:
    """A release whose steps up to the judge are done, of four shards.

    Args:
        store: with the shards committed; by default one in memory, of `release_spec()`.
        version: of the release.
        files: of phrases.
        partial: whether it may be less than the target.
    """
    if store is None:
        store = memory_store(release_spec())
    if not store.committed():
        for number in range(4):
            commit(store, number)
    place = ReleasePlace(store, plan_release(store, version, partial=partial, now=NOW))
    rows = join_rows([shard_rows(store, manifest) for manifest in store.manifests(range(4))])
    ids = [one for one in range(rows.num_rows) if one not in DROPS][:KEPT]
    kept = rows.take(pa.array(ids))
    told = {"committed": 240, "unique": 238, "kept": KEPT, "last_id": ids[-1], "exact": 1, "near": 1}
    place.put_json("kept.json", told)
    for number in range(files):
        first, last = number * KEPT // files, (number + 1) * KEPT // files
        _pack(place, kept.slice(first, last - first), number, files=files)
    _put_tables(place)
    put_quality(place)
    return place


def put_quality(place: ReleasePlace, *, warning: Mapping[str, str] = WARNING, passed: bool = True) -> None:
    """Put what the judge leaves."""
    grave = {"name": "phrases", "observed": "180", "limit": "180", "severity": "critical", "passed": passed}
    mild = {**warning, "severity": "warning", "passed": False}
    verdict = {"passed": passed, "expectations": [grave, mild], "not_asked": {}, "gx_version": "1.24"}
    place.put_file("quality/verdict.json", json.dumps(verdict).encode())
    place.put_file("quality/figures.json", json.dumps(FIGURES).encode())
    place.put_file("quality/report.html", b"<!doctype html>")
    place.put_file("quality/summary.json", b"{}")


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _pack(place: ReleasePlace, rows: pa.Table, number: int, *, files: int) -> None:
    rows = rows.combine_chunks()
    content = parquet(released_rows(rows, place.store.spec.prompts.lexicons))
    place.put_file(
        numbered("data", number, files, suffix=".parquet"), content, rows=rows.num_rows, content_type=PARQUET
    )
    texts = rows.column("text").combine_chunks()
    half = len(texts) // 2
    frames = [text_frame(part, rows.column("phrase_id").combine_chunks()) for part in (texts[:half], texts[half:])]
    lines = b"".join(frame for frame, _ in frames)
    place.put_file(numbered("text", number, files, suffix=".txt.zst"), lines, rows=rows.num_rows)
    place.put_table(f"packed/sample-{number:05d}.parquet", rows)
    told = rows.to_pylist()
    lexemes = Counter((slot, lexeme) for row in told for slot, lexeme in row["slots"])
    packed = Packed(
        rows=rows.num_rows,
        chars=sum(row["chars"] for row in told),
        text_bytes=sum(size for _, size in frames),
        first_id=told[0]["phrase_id"],
        last_id=told[-1]["phrase_id"],
        templates=Counter(row["template"] for row in told),
        lexemes={slot: {lexeme: lexemes[slot, lexeme]} for slot, lexeme in lexemes},
        langs=Counter(row["lang"] for row in told),
    )
    place.put_json(packed_name(number), packed.model_dump())


def _put_tables(place: ReleasePlace) -> None:
    drops = [{"phrase_id": one, "kept_id": kept, "why": why, "similarity": s} for one, (kept, why, s) in DROPS.items()]
    link = {"from": 0, "to": 1, "why": "scene", "weight": 1.5}
    lexeme = {"slot": "object", "lexeme": "a bell", "phrases": 9, "linked": True, "ids": [1, 2]}
    word = {"word": "baceba", "phrases": 2, "ids": [0]}
    for path, table in {
        "dropped.parquet": pa.Table.from_pylist(drops, DROPPED),
        "links.parquet": pa.Table.from_pylist([link], LINKS),
        "index/lexemes.parquet": pa.Table.from_pylist([lexeme], LEXEMES),
        "index/words.parquet": pa.Table.from_pylist([word], WORDS),
    }.items():
        place.put_file(path, parquet(table), rows=table.num_rows, content_type=PARQUET)
