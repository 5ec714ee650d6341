"""What lies in a corpus's folder and belongs to no committed shard: leavings, half records, strangers."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from phrasemill.errors import ObjectDamaged, RecordUnreadable, StagingIncomplete
from phrasemill.store.bucket import Entry, Upload
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import RECORD, ROWS, held_rows, read_record
from phrasemill.verify_findings import Finding

NAMED_BY_SHARD = re.compile(r"/(?:shards|verdicts)/shard-(\d{5,})-[0-9a-f]{12}\.(?:parquet|json)$")
STAGED = re.compile(r"/staging/(\d{5,})/[^/]+$")
FOLDERS = frozenset(
    {"spec", "staging", "shards", "manifests", "verdicts", "quarantine", "reports", "releases", "index"}
)
RETRACTED = "retracted"
REMOVED = "`phrasemill verify --repair` removes it once it is a day old"
LOOK = "see whose it is, then move or remove it by hand"


def orphans(store: CorpusStore, entries: Iterable[Entry], *, named: set[str], unread: set[int]) -> Iterator[Finding]:
    """Data and verdicts that no manifest names.

    Args:
        store: the corpus's.
        entries: of its folders shards/ and verdicts/.
        named: keys that manifests name.
        unread: shards whose manifest cannot be read: what it names is not known, so nothing of theirs is an orphan.
    """
    for entry in entries:
        match = NAMED_BY_SHARD.search(entry.key)
        if match is None:
            yield _stray(store, entry.key)
        elif entry.key not in named and int(match[1]) not in unread:
            yield Finding(
                kind="orphan",
                what=f"{entry.size} bytes that no manifest names, left by a commit that did not come to its end",
                where=store.url(entry.key),
                mend=REMOVED,
                shard=int(match[1]),
                key=entry.key,
            )


def staged(store: CorpusStore, entries: Iterable[Entry], *, committed: set[int]) -> Iterator[Finding]:
    """Staged blocks of committed shards, probes of preflight, and whatever else lies in staging/."""
    blocks: dict[int, int] = defaultdict(int)
    for entry in entries:
        match = STAGED.search(entry.key)
        if match:
            blocks[int(match[1])] += 1
        elif entry.key.startswith(store.keys.probes()):
            what = "an object with which preflight tried the bucket"
            yield Finding(kind="probe", what=what, where=store.url(entry.key), mend=REMOVED, key=entry.key)
        else:
            yield _stray(store, entry.key)
    for number in sorted(blocks.keys() & committed):
        yield Finding(
            kind="staging",
            what=f"{blocks[number]} staged objects of a shard that is committed",
            where=store.url(f"{store.keys.root}/staging/{number:05d}/"),
            mend="`phrasemill verify --repair` removes them",
            shard=number,
        )


def unfinished(store: CorpusStore, uploads: Iterable[Upload]) -> Iterator[Finding]:
    """Uploads in parts that nobody finished; their parts take room and are in no listing of objects."""
    for upload in uploads:
        what = "an upload in parts that was neither finished nor aborted"
        yield Finding(
            kind="upload",
            what=what,
            where=store.url(upload.key),
            mend=REMOVED,
            key=upload.key,
            upload_id=upload.upload_id,
        )


def quarantine_findings(store: CorpusStore, folder: str, names: set[str], *, deep: bool) -> Iterator[Finding]:
    """What is wrong with the record of one failed gate.

    Args:
        store: the corpus's.
        folder: key of its folder, with the slash.
        names: of the objects there.
        deep: read its rows too.
    """
    key, where = folder + RECORD, store.url(folder)
    if RECORD not in names:
        for name in sorted(names):
            what = "part of a quarantine whose record was never written; its shard was not marked as failed"
            yield Finding(kind="orphan", what=what, where=store.url(folder + name), mend=REMOVED, key=folder + name)
        return
    try:
        item = read_record(store, key)
    except (RecordUnreadable, ObjectDamaged) as error:
        what = str(error).removeprefix(f"{store.url(key)}: ")
        yield Finding(kind="quarantine", what=what, where=store.url(key), mend="restore it from a backup")
        return
    if item is None or item.discarded:
        return
    discard = f"restore them, or give them up: `phrasemill quarantine discard {store.spec.name} {item.shard}`"
    if ROWS not in names:
        what = "the rows of a failed gate are gone, and its record does not say that they were discarded"
        yield Finding(kind="quarantine", what=what, where=where, mend=discard, shard=item.shard)
    elif deep:
        try:
            held_rows(store, item)
        except (StagingIncomplete, ObjectDamaged) as error:
            what = str(error).removeprefix(f"{store.url(item.rows_key)}: ")
            yield Finding(kind="quarantine", what=what, where=store.url(item.rows_key), mend=discard, shard=item.shard)


def strangers(store: CorpusStore, folders: Iterable[str]) -> Iterator[Finding]:
    """Folders that phrasemill does not write."""
    for folder in folders:
        if folder.removeprefix(f"{store.keys.root}/").rstrip("/") not in FOLDERS | {RETRACTED}:
            yield _stray(store, folder)


def _stray(store: CorpusStore, key: str) -> Finding:
    return Finding(kind="stray", what="nothing that phrasemill wrote", where=store.url(key), mend=LOOK)
