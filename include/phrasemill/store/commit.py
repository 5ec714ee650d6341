"""The commit of a shard: data put, data verified, verdict put, manifest put conditionally, staging removed.

Guarantee: the manifest is the commit. It is put once, after its data has been read back and found right by sha256, so
a manifest always has its data, and a shard is never committed twice. A worker killed before the manifest leaves
objects that no manifest names; one killed after it leaves staged blocks that the next run removes. Where two workers
race, one manifest wins, and the loser removes its own data and verdict and succeeds; a loser whose corpus file differs
removes them too, and fails. Whoever is told nothing (the answer to the manifest was lost for good) leaves all as it
is, and the next try finds out.

Limit: on a server that ignores or refuses If-None-Match, two workers that put their manifest within the same instant
may both believe they won; the later manifest then stands, its data is whole, and the data of the other is left for
`phrasemill verify --repair`. What each promise rests on is in docs/guarantees.md.
"""

import datetime as dt
import hashlib
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.errors import CommitConflict, FingerprintMismatch, StoreUnavailable
from phrasemill.facts import Facts
from phrasemill.manifest import VERDICT_APART, Acceptance, Manifest
from phrasemill.planning import Shard
from phrasemill.rows import encode_rows
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging


def commit_shard(
    store: CorpusStore,
    shard: Shard,
    rows: pa.Table,
    *,
    facts: Facts,
    verdict: dict[str, Any],
    run_id: str,
    accepted: Acceptance | None = None,
) -> Manifest:
    """Commit the rows of a shard, unless somebody has done so already; returns the manifest that stands.

    The manifest keeps the verdict less its samples; the whole of it lies beside, under `Manifest.verdict_key`.

    Raises:
        CommitConflict: the shard has been committed under another fingerprint.
        StoreUnavailable: the data could not be read back as it was written.
    """
    content = encode_rows(rows)
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = Manifest(
        corpus=store.spec.name,
        shard=shard.number,
        first_id=shard.first_id,
        rows=rows.num_rows,
        fingerprint=store.fingerprint,
        data_key=store.keys.data(shard, sha256),
        data_sha256=sha256,
        data_bytes=len(content),
        chars=pc.sum(rows.column("chars").cast(pa.int64())).as_py(),
        text_bytes=pc.sum(pc.binary_length(rows.column("text")).cast(pa.int64())).as_py(),
        committed_at=dt.datetime.now(dt.UTC),
        run_id=run_id,
        facts=facts,
        verdict={name: part for name, part in verdict.items() if name not in VERDICT_APART},
        verdict_key=store.keys.judged(shard, sha256),
        accepted=accepted,
    )
    standing = store.manifest_of_any(shard.number)
    if standing is None:
        store.bucket.put(manifest.data_key, content, content_type="application/vnd.apache.parquet")
        # Data that reads otherwise stays: another worker's manifest may name it by now.
        store.refuse_unlike(manifest.data_key, content)
        judged = json.dumps(verdict, indent=1, ensure_ascii=False).encode()
        store.bucket.put(manifest.verdict_key, judged, content_type="application/json")
        body = manifest.model_dump_json(indent=1).encode()
        if store.bucket.put_if_absent(store.keys.manifest(shard.number), body, content_type="application/json"):
            standing = manifest
        else:
            standing = _concede(store, shard, manifest)
    _refuse_other(store, shard, standing)
    ShardStaging(store, shard).clear()
    return standing


def _refuse_other(store: CorpusStore, shard: Shard, standing: Manifest) -> None:
    try:
        store.refuse_other(standing.fingerprint, what=store.url(store.keys.manifest(shard.number)))
    except FingerprintMismatch as error:
        raise CommitConflict(f"{store.spec.name} {shard.label} cannot be committed: {error}") from error


def _concede(store: CorpusStore, shard: Shard, ours: Manifest) -> Manifest:
    """Another worker's manifest stands: remove our data and verdict, unless it names the very same objects."""
    theirs = store.manifest_of_any(shard.number)
    if theirs is None:
        raise StoreUnavailable(f"{store.url(store.keys.manifest(shard.number))}: appeared and vanished; retry")
    if theirs.data_key != ours.data_key:
        store.bucket.delete([ours.data_key, ours.verdict_key])
    return theirs
