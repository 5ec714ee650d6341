"""Whether one committed shard is whole: manifest, data, rows, verdict."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.errors import ObjectDamaged, RecordUnreadable, StagingIncomplete
from phrasemill.manifest import VERDICT_APART, Manifest
from phrasemill.planning import Shard
from phrasemill.prompts import PromptBook
from phrasemill.rows import decode_rows
from phrasemill.rules import text_hash
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.verify_findings import Finding, Kind

RESTORE = "restore it from a backup or an older version of the object"
REMAKE = f"{RESTORE}; or remove the object by hand, and `phrasemill verify --repair` has the shard written anew"


@dataclass
class ShardFound:
    """One shard as it was found."""

    shard: Shard
    manifest: Manifest | None = None
    """None where it cannot be read, or was removed meanwhile."""
    rows: int = 0
    bytes_read: int = 0
    findings: list[Finding] = field(default_factory=list)


class ShardChecker:
    """Checks the shards of one corpus; may be used by several threads at once.

    Args:
        store: the corpus's.
        verdicts: keys of the whole verdicts that were listed.
        deep: recompute every row (hash, characters, prompt coordinates) and compare the whole verdict.
    """

    def __init__(self, store: CorpusStore, *, verdicts: set[str], deep: bool) -> None:
        self._store = store
        self._verdicts = verdicts
        self._book = PromptBook(store.spec) if deep else None

    def check(self, shard: Shard) -> ShardFound:
        """Read a committed shard and say all that is wrong with it.

        Raises:
            StoreError: the bucket cannot be read.
        """
        found = ShardFound(shard)
        key = self._store.keys.manifest(shard.number)
        try:
            found.manifest = manifest = self._store.manifest_of_any(shard.number)
        except (RecordUnreadable, ObjectDamaged) as error:
            said = str(error).removeprefix(f"{self._store.url(key)}: ")
            found.findings.append(self._finding("manifest", shard, key, said, RESTORE))
            return found
        if manifest is None:
            return found
        for what in _contradictions(manifest, self._store, shard):
            found.findings.append(self._finding("manifest", shard, key, what, RESTORE))
        found.findings += self._verdict_findings(shard, manifest)
        rows = self._rows(found, manifest)
        if rows is not None:
            found.rows = rows.num_rows
            for what in (*_wrong_rows(rows, shard), *self._wrong_contents(rows, shard, manifest)):
                found.findings.append(self._finding("rows", shard, manifest.data_key, what, REMAKE))
        return found

    def _rows(self, found: ShardFound, manifest: Manifest) -> pa.Table | None:
        """The committed rows, if they are the very bytes that were committed."""
        key = manifest.data_key
        try:
            content = self._store.bucket.get(key)
            if content is None:
                again = (
                    f"{RESTORE}; or `phrasemill verify --repair` takes the commit back and has the shard written anew"
                )
                found.findings.append(self._finding("data_gone", found.shard, key, "the committed data is gone", again))
                return None
            found.bytes_read = len(content)
            sha256 = hashlib.sha256(content).hexdigest()
            if (sha256, len(content)) == (manifest.data_sha256, manifest.data_bytes):
                return decode_rows(content, source=self._store.url(key))[0]
            what = (
                f"its {len(content)} bytes (sha256 {sha256[:12]}) are not the {manifest.data_bytes} that were "
                f"committed (sha256 {manifest.data_sha256[:12]})"
            )
        except (ObjectDamaged, StagingIncomplete) as error:
            what = str(error).removeprefix(f"{self._store.url(key)}: ")
        found.findings.append(self._finding("data_damaged", found.shard, key, what, REMAKE))
        return None

    def _wrong_contents(self, rows: pa.Table, shard: Shard, manifest: Manifest) -> Iterator[str]:
        texts = rows.column("text")
        chars, size = pc.sum(pc.utf8_length(texts)).as_py(), pc.sum(pc.binary_length(texts)).as_py()
        if rows.num_rows and (chars, size) != (manifest.chars, manifest.text_bytes):
            yield (
                f"its texts have {chars} characters and {size} bytes, its manifest says {manifest.chars} and "
                f"{manifest.text_bytes}"
            )
        if self._book is None:
            return
        hashes = np.array([text_hash(text) for text in texts.to_pylist()], dtype=np.uint64)
        if wrong := int((hashes != rows.column("text_hash").to_numpy()).sum()):
            yield f"{wrong} rows have a text_hash that is not their text's"
        if not pc.all(pc.equal(pc.utf8_length(texts), rows.column("chars").cast(pa.int32()))).as_py():
            yield "rows have another number of characters in `chars` than in `text`"
        if manifest.fingerprint == self._store.fingerprint and rows.num_rows == shard.rows:
            yield from _wrong_coordinates(rows, shard, self._book, language=self._store.spec.language)

    def _verdict_findings(self, shard: Shard, manifest: Manifest) -> Iterator[Finding]:
        key = manifest.verdict_key
        if not key:  # older than whole verdicts
            return
        if key not in self._verdicts:
            mend = "`phrasemill verify --repair` writes it anew from the manifest, without its samples"
            yield self._finding("verdict", shard, key, "the whole verdict is gone", mend)
        elif self._book is not None:
            try:
                told = json.loads(self._store.bucket.get(key) or b"null")
                same = {name: part for name, part in told.items() if name not in VERDICT_APART} == manifest.verdict
            except (ObjectDamaged, ValueError, AttributeError):
                same = False
            if not same:
                mend = "remove it by hand, and `phrasemill verify --repair` writes it anew from the manifest"
                yield self._finding("verdict", shard, "", "the whole verdict is not the manifest's", mend, at=key)

    def _finding(self, kind: Kind, shard: Shard, key: str, what: str, mend: str, *, at: str = "") -> Finding:
        return Finding(kind=kind, what=what, where=self._store.url(at or key), mend=mend, shard=shard.number, key=key)


def _contradictions(manifest: Manifest, store: CorpusStore, shard: Shard) -> Iterator[str]:
    """Where a manifest says otherwise than its own key and the corpus file."""
    expected = {
        "corpus": store.spec.name,
        "shard": shard.number,
        "first_id": shard.first_id,
        "rows": shard.rows,
        "data_key": store.keys.data(shard, manifest.data_sha256),
    }
    if manifest.verdict_key:
        expected["verdict_key"] = store.keys.judged(shard, manifest.data_sha256)
    for name, value in expected.items():
        if (told := getattr(manifest, name)) != value:
            yield f"says {name} {told!r} where {value!r} must stand"


def _wrong_rows(rows: pa.Table, shard: Shard) -> Iterator[str]:
    """Rows other than the shard must have: how many, which ids, which texts twice."""
    if rows.num_rows != shard.rows:
        yield f"has {rows.num_rows} rows, a shard has {shard.rows}"
    ids = rows.column("phrase_id").to_numpy()
    if not np.array_equal(ids, np.arange(shard.first_id, shard.first_id + len(ids))):
        outside = int(((ids < shard.first_id) | (ids >= shard.first_id + shard.rows)).sum())
        twice = len(ids) - len(np.unique(ids))
        yield (
            f"its ids are not {shard.first_id} to {shard.first_id + shard.rows - 1} in order: {outside} outside that "
            f"range, {twice} repeated"
        )
    hashes = rows.column("text_hash").to_numpy()
    if repeated := len(hashes) - len(np.unique(hashes)):
        yield f"{repeated} rows repeat a text of the shard"


def _wrong_coordinates(rows: pa.Table, shard: Shard, book: PromptBook, *, language: str) -> Iterator[str]:
    """Rows whose template, scene or slots are not those of their id and attempt."""
    ids = np.arange(shard.first_id, shard.first_id + shard.rows, dtype=np.int64)
    planned = book.coordinates(ids, rows.column("attempt").to_numpy().astype(np.int64))
    for name in ("template", "scene", "slots"):
        if _plain(rows.column(name)) != _plain(planned.column(name)):
            yield f"rows have another {name} than the corpus file gives their id and attempt"
    if set(pc.unique(rows.column("lang").cast(pa.string())).to_pylist()) - {language}:
        yield f"rows of another language than {language}"


def _plain(column: pa.ChunkedArray) -> list[pa.Array]:
    """What a column holds, whichever way it is laid out in memory."""
    whole = column.combine_chunks()
    if pa.types.is_map(whole.type):
        lengths = pc.subtract(whole.offsets[1:], whole.offsets[:-1])
        return [lengths, whole.keys, whole.items]
    return [whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole]
