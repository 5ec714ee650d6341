"""Columns of committed shards, as a release reads them: checked against its plan, and only those that are asked for."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.errors import ObjectDamaged, StoreError
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import ReleaseShard


def read_columns(place: ReleasePlace, shard: ReleaseShard, columns: Sequence[str]) -> pa.Table:
    """Some columns of a shard's rows; all of them take five times as long as text and text_hash.

    Raises:
        StoreError: the data is gone.
        ObjectDamaged: it is not what was committed.
    """
    store, release = place.store, place.plan
    where = f"{store.url(shard.data_key)}: the data of committed shard {shard.shard}"
    mend = (
        f"run `phrasemill verify {release.corpus}`, which says how to mend it; if the shard is written anew, release "
        f"under another version than {release.version}, whose plan has the old one"
    )
    content = store.bucket.get(shard.data_key)
    if content is None:
        raise StoreError(f"{where} is gone; {mend}")
    if hashlib.sha256(content).hexdigest() != shard.data_sha256:
        raise ObjectDamaged(f"{where} is not what was committed; {mend}")
    try:
        rows = pq.read_table(pa.BufferReader(content), columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise ObjectDamaged(f"{where} cannot be read ({error}); {mend}") from error
    if rows.num_rows != shard.rows or not set(columns) <= set(rows.column_names):
        raise ObjectDamaged(f"{where} has other rows or columns than its manifest says; {mend}")
    return rows.select(list(columns))  # the file's order is another
