"""The steps of a release that find duplicates: sketch, exact, near, gather, resolve.

Each takes the place of a release and the number of a piece of the work, reads what earlier steps left in the bucket,
and leaves its own. What is there already is not made again: the object that a step looks for is the last it puts.

Memory: every step but `resolve` holds one piece. `resolve` holds all dropped phrases, all candidate pairs and the words
of two blocks of phrases: 26 bytes a phrase were measured with 6 % of 10,000,000 dropped.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.release.drops import dropped_table, last_kept
from phrasemill.release.errors import WorkMissing
from phrasemill.release.forest import candidates, changes, in_part, unique_pairs
from phrasemill.release.keep_first import exact_repeats, keep_first, similarities
from phrasemill.release.kept import DROPPED, KEPT
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.place import PARQUET, ReleasePlace
from phrasemill.release.plan import BANDS, ReleasePlan
from phrasemill.release.planning import discard, read_plan
from phrasemill.release.shard_columns import read_columns
from phrasemill.release.short import read_short, short_of
from phrasemill.release.sketches import sketch_of
from phrasemill.release.spans import bounds_of, ids_between, joined, runs_of_spans, span_ids
from phrasemill.release.tokens import tokens_of, word_sets
from phrasemill.release.word_samples import word_samples
from phrasemill.store.corpus_store import CorpusStore

BUCKETS = 64
"""Candidates are sorted into so many runs of spans at most, so that `gather` reads about its own and no more."""

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Words = tuple[Ids, npt.NDArray[np.uint64], npt.NDArray[np.int64]]
"""Phrase ids in order, the hashes of their words end to end, and where those of each begin."""


def open_release(store: CorpusStore, version: str) -> ReleasePlace:
    """A release that has been planned.

    Raises:
        WorkMissing: it has not.
        FingerprintMismatch: it was planned from another version of the corpus file.
    """
    keys = ReleaseKeys.of(store.keys.root, version)
    plan = read_plan(store, keys)
    if plan is None:
        raise WorkMissing(
            f"{store.url(keys.plan)} is not there: release {version} has not been planned, or it came out short and "
            "was cleared up; release again"
        )
    return ReleasePlace(store, plan)


def sketch(place: ReleasePlace, span: int) -> dict[str, Any]:
    """Read a span's phrases, and leave their hashes, keys and bitmaps, and the words they hold.

    Raises:
        StoreError: a shard's committed data is gone or damaged.
    """
    shards, name = place.plan.span(span), _sketch(span)
    done = f"{name}/words.parquet"
    if not place.has_work(done):
        rows = pa.concat_tables([read_columns(place, shard, ("text", "text_hash")) for shard in shards])
        place.put_array(f"{name}/hashes.npy", rows.column("text_hash").to_numpy())
        tokens = tokens_of(rows.column("text").combine_chunks())
        del rows
        if place.plan.cuts.near_groups:
            sketched = sketch_of(tokens)
            place.put_array(f"{name}/bits.npy", sketched.bits)
            place.put_array(f"{name}/sizes.npy", sketched.sizes)
            for band in range(BANDS):
                place.put_array(f"{name}/band-{band}.npy", sketched.keys[band])
        place.put_table(done, word_samples(tokens, span_ids(shards)))
    return {"span": span, "phrases": sum(shard.rows for shard in shards)}


def exact(place: ReleasePlace, part: int) -> dict[str, Any]:
    """Leave the phrases of one part of the text hashes that repeat an earlier one: (m, 2) dropped id, kept id."""
    name = _exact(part)
    if place.has_work(name):
        return {"part": part, "dropped": len(place.array(name))}
    parts = np.uint64(place.plan.cuts.exact_parts)
    hashes, ids = list[Array](), list[Array]()
    for span in range(len(place.plan.cuts.spans)):
        held = place.array(f"{_sketch(span)}/hashes.npy")
        here = ((held >> np.uint64(32)) * parts) >> np.uint64(32) == np.uint64(part)
        hashes.append(held[here])
        ids.append(span_ids(place.plan.span(span))[here])
    dropped = exact_repeats(joined(hashes), joined(ids))
    place.put_array(name, dropped)
    return {"part": part, "dropped": len(dropped)}


def near(place: ReleasePlace, group: int, part: int) -> dict[str, Any]:
    """Leave the pairs that may be near-duplicates by a group's bands, in one part of their keys; repeats left out."""
    name = _pairs(group, part)
    if place.has_work(name):
        return {"group": group, "part": part, "pairs": len(place.array(name))}
    found = _rows_of_part(place, group, part)
    pairs = list[Ids]()
    while found:
        keys, low, high, sizes, ids = (joined(column) for column in found.pop())
        bits = np.stack([low, high])
        del low, high
        pairs.append(candidates(keys, bits, sizes, ids, threshold=_threshold(place.plan)))
    united = unique_pairs(pairs)
    members = np.sort(united, axis=None)  # np.unique takes four times as long (numpy 2.4)
    members = members[changes(members)]
    for bucket, spans in enumerate(runs_of_spans(place.plan, BUCKETS)):
        place.put_array(_members(bucket, group, part), ids_between(members, *bounds_of(place.plan, spans)))
    place.put_array(name, united)
    return {"group": group, "part": part, "pairs": len(united)}


def gather(place: ReleasePlace, span: int) -> dict[str, Any]:
    """Leave the words of a span's phrases that are in a candidate pair.

    Raises:
        StoreError: a shard's committed data is gone or damaged.
    """
    name, plan = _words(span), place.plan
    if place.has_work(name):
        return {"span": span, "phrases": place.table(name, columns=["phrase_id"]).num_rows}
    bucket = next(number for number, spans in enumerate(runs_of_spans(plan, BUCKETS)) if span in spans)
    named = [place.array(_members(bucket, group, part)) for group, part in near_tasks(plan)]
    members = np.unique(np.concatenate([np.empty(0, np.int64), *named]))
    ids = ids_between(members, *bounds_of(plan, range(span, span + 1)))
    texts = list[pa.Array]()
    for shard in plan.span(span):
        rows = ids_between(ids, shard.first_id, shard.first_id + shard.rows) - shard.first_id
        if len(rows):
            texts += read_columns(place, shard, ("text",)).column("text").take(pa.array(rows)).chunks
    words, starts = np.empty(0, np.uint64), np.zeros(1, np.int64)
    if texts:
        words, starts = word_sets(tokens_of(pa.concat_arrays(texts)), np.arange(len(ids)))
    lists = pa.LargeListArray.from_arrays(pa.array(starts), pa.array(words))
    place.put_table(name, pa.table({"phrase_id": pa.array(ids), "words": lists}))
    return {"span": span, "phrases": len(ids)}


def resolve(place: ReleasePlace) -> dict[str, Any]:
    """Decide which phrases are dropped, and for which; leaves dropped.parquet, and how many are kept.

    Raises:
        ReleaseShort: fewer unique phrases than the target, and the release is not partial. Its plan and work are
            removed by then, since more shards make another plan.
    """
    if place.has_work(KEPT):
        told: dict[str, Any] = place.json(KEPT)
        return told
    plan, short = place.plan, read_short(place.store, place.keys.short)
    if short and short.plan == plan.digest:  # a try before this one, or another run, has found out
        discard(place.store, plan)
        raise short.error(plan.corpus)
    near_drops = _near_drops(place)
    table = dropped_table(_repeats(place), near_drops)
    unique = plan.phrases - table.num_rows
    if unique < plan.target and not plan.partial:
        _come_out_short(place, unique)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", compression_level=9, write_page_checksum=True, write_page_index=True
    )
    place.put_file(DROPPED, sink.getvalue().to_pybytes(), rows=table.num_rows, content_type=PARQUET)
    kept = min(unique, plan.target)
    by_reason = table.column("why").value_counts().to_pylist()
    told = {
        "committed": plan.phrases,
        "unique": unique,
        "kept": kept,
        "last_id": last_kept(plan.shards, table.column("phrase_id").to_numpy(), kept),
        "exact": 0,
        "near": 0,
        **{count["values"]: count["counts"] for count in by_reason},
    }
    place.put_json(KEPT, told)
    return told


def near_tasks(plan: ReleasePlan) -> list[tuple[int, int]]:
    """The groups and parts that `near` is done for; none where only exact duplicates are dropped."""
    return [(group, part) for group in range(len(plan.cuts.near_groups)) for part in range(plan.cuts.near_parts)]


def _rows_of_part(place: ReleasePlace, group: int, part: int) -> list[list[list[Array]]]:
    """For each band of a group its rows of this part, as columns in pieces: keys, both bitmaps, sizes, ids."""
    plan = place.plan
    bands = plan.cuts.near_groups[group]
    found: list[list[list[Array]]] = [[[] for _ in range(5)] for _ in bands]
    repeats = np.sort(_repeats(place)[:, 0])
    for span in range(len(plan.cuts.spans)):
        ids = span_ids(plan.span(span))
        bits, sizes = (place.array(f"{_sketch(span)}/{what}.npy") for what in ("bits", "sizes"))
        single = np.ones(len(ids), np.bool_)
        single[np.searchsorted(ids, ids_between(repeats, *bounds_of(plan, range(span, span + 1))))] = False
        for band, columns in zip(bands, found, strict=True):
            keys = place.array(f"{_sketch(span)}/band-{band}.npy")
            here = single & in_part(keys, part, plan.cuts.near_parts)
            for column, values in zip(columns, (keys, bits[0], bits[1], sizes, ids), strict=True):
                column.append(values[here])
    return found


def _near_drops(place: ReleasePlace) -> tuple[Ids, Ids, npt.NDArray[np.float32]]:
    """Dropped ids in order, their keepers, and how alike they are, of the pairs that the words bear out."""
    plan = place.plan
    pairs = np.empty((0, 2), np.int64)
    for group in range(len(plan.cuts.near_groups)):
        pairs = unique_pairs([pairs, *(place.array(_pairs(group, part)) for part in range(plan.cuts.near_parts))])
    if not len(pairs):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    similarity = np.empty(len(pairs), np.float32)
    blocks = runs_of_spans(plan, plan.cuts.near_parts)
    for number, earlier in enumerate(blocks):
        words = _words_of(place, earlier)
        for later in blocks[number:]:
            here = np.flatnonzero(_within(pairs[:, 0], plan, earlier) & _within(pairs[:, 1], plan, later))
            if len(here):
                both = words if later == earlier else _united(words, _words_of(place, later))
                similarity[here] = similarities(pairs[here], *both)
    dropped, kept, alike = keep_first(pairs, similarity, _threshold(plan))
    order = np.argsort(dropped)
    return dropped[order], kept[order], alike[order]


def _come_out_short(place: ReleasePlace, unique: int) -> None:
    """Leave the record of it, remove work and plan, and raise ReleaseShort."""
    store, plan = place.store, place.plan
    short = short_of(plan, store.spec, unique=unique, committed=store.committed())
    if store.bucket.get(place.keys.plan) == plan.as_json():  # else another run was quicker: nobody asks for ours
        store.bucket.put(place.keys.short, short.model_dump_json(indent=1).encode(), content_type="application/json")
    discard(store, plan)
    raise short.error(plan.corpus)


def _words_of(place: ReleasePlace, spans: range) -> Words:
    tables = [place.table(_words(span)) for span in spans]
    lists = [chunk for table in tables for chunk in table.column("words").chunks]
    lengths = [np.diff(chunk.offsets.to_numpy()) for chunk in lists]
    return (
        np.concatenate([table.column("phrase_id").to_numpy() for table in tables]),
        np.concatenate([np.empty(0, np.uint64), *(chunk.flatten().to_numpy() for chunk in lists)]),
        np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths])),
    )


def _united(first: Words, second: Words) -> Words:
    """Words of two blocks, the second with the higher ids."""
    ids, words, starts = zip(first, second, strict=True)
    return np.concatenate(ids), np.concatenate(words), np.concatenate([starts[0][:-1], starts[1] + starts[0][-1]])


def _repeats(place: ReleasePlace) -> Ids:
    """(m, 2) dropped and kept ids of all exact duplicates."""
    return np.concatenate([place.array(_exact(part)) for part in range(place.plan.cuts.exact_parts)])


def _threshold(plan: ReleasePlan) -> float:
    threshold = plan.settings.near_duplicates
    if threshold is None:
        raise ValueError(f"release {plan.version} drops exact duplicates only, and has no pairs to look for")
    return threshold


def _within(ids: Ids, plan: ReleasePlan, spans: range) -> npt.NDArray[np.bool_]:
    first, last = bounds_of(plan, spans)
    return (ids >= first) & (ids < last)


def _sketch(span: int) -> str:
    return f"sketch/span-{span:05d}"


def _exact(part: int) -> str:
    return f"exact/part-{part:05d}.npy"


def _pairs(group: int, part: int) -> str:
    return f"near/group-{group:02d}-part-{part:05d}.npy"


def _members(bucket: int, group: int, part: int) -> str:
    return f"near/ids-{bucket:02d}/group-{group:02d}-part-{part:05d}.npy"


def _words(span: int) -> str:
    return f"near/words-{span:05d}.parquet"
