"""The commit of a shard: data put, data verified, manifest put conditionally, staging removed.

Guarantee: the manifest is the commit. It is put once, after its data has been read back and found right, so a
manifest always has its data, and a shard is never committed twice. A worker killed before the manifest leaves a
data object that no manifest names; one killed after it leaves staged blocks that the next run removes. Where two
workers race, one manifest wins, and the loser removes its own data and succeeds.

Limit: on a server that ignores If-None-Match, two workers that put their manifest within the same instant both
believe they won; the later manifest then stands, and its data is whole.
"""

import datetime as dt
import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.errors import CommitConflict, FingerprintMismatch, ObjectDamaged, StoreUnavailable
from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
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
) -> Manifest:
    """Commit the rows of a shard, unless somebody has done so already; returns the manifest that stands.

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
        verdict=verdict,
    )
    standing = _standing(store, shard)
    if standing is None:
        _put_verified(store, manifest.data_key, content)
        body = manifest.model_dump_json(indent=1).encode()
        if store.bucket.put_if_absent(store.keys.manifest(shard.number), body, content_type="application/json"):
            standing = manifest
        else:
            standing = _concede(store, shard, manifest)
    ShardStaging(store, shard).clear()
    return standing


def _standing(store: CorpusStore, shard: Shard) -> Manifest | None:
    try:
        return store.manifest(shard.number)
    except FingerprintMismatch as error:
        raise CommitConflict(f"{store.spec.name} {shard.label} cannot be committed: {error}") from error


def _put_verified(store: CorpusStore, key: str, content: bytes) -> None:
    store.bucket.put(key, content, content_type="application/vnd.apache.parquet")
    try:
        sound = store.bucket.get(key) == content
    except ObjectDamaged:
        sound = False
    if not sound:
        # It stays: the key says what it should hold, and another worker's manifest may name it by now.
        raise StoreUnavailable(f"{store.url(key)}: what was read back differs from what was written; retry")


def _concede(store: CorpusStore, shard: Shard, ours: Manifest) -> Manifest:
    """Another worker's manifest stands: remove our data, unless it is the very same object."""
    theirs = _standing(store, shard)
    if theirs is None:
        raise StoreUnavailable(f"{store.url(store.keys.manifest(shard.number))}: appeared and vanished; retry")
    if theirs.data_key != ours.data_key:
        store.bucket.delete([ours.data_key])
    return theirs
