"""Proves a corpus whole from its bucket alone.

Every manifest has its data and verdict; the data's sha256 is the manifest's; its rows are exactly the ids of the
shard, dense and in order, so no two shards overlap; texts are unique within the shard; all is of one fingerprint; and
nothing lies about that no manifest names. Work under way is no fault: what it leaves for a moment is told apart by
its age. Nothing is written.

Memory: a few hundred bytes a shard, and READ_BYTES of objects at once with what they are decoded to.
"""

import datetime as dt
import time
from collections import defaultdict

from phrasemill.corpus_file import parse_corpus
from phrasemill.errors import ObjectDamaged, SpecError, StoreError, StoreUnavailable
from phrasemill.fingerprint import fingerprint
from phrasemill.planning import Shard, format_shards, is_top_up
from phrasemill.store.bucket import Entry
from phrasemill.store.corpus_store import PARALLEL_READS, CorpusStore, in_parallel
from phrasemill.verify_findings import LITTER, LITTER_AGE, Finding, Report
from phrasemill.verify_litter import orphans, quarantine_findings, staged, strangers, unfinished
from phrasemill.verify_shard import ShardChecker, ShardFound

READ_BYTES = 256 * 2**20
"""Encoded bytes of objects in memory at once; decoded rows take 3 to 5 times as much."""


def verify(store: CorpusStore, *, deep: bool = False, litter_age: dt.timedelta = LITTER_AGE) -> Report:
    """Look at a whole corpus.

    Args:
        store: the corpus's.
        deep: recompute every row from its text and the corpus file, and read whole verdicts and quarantined rows.
        litter_age: litter younger than this is `waiting`, not a finding.

    Raises:
        StoreError: the bucket cannot be read.
    """
    return _Verification(store, deep=deep, litter_age=litter_age).report()


class _Verification:
    """One look at a corpus. Manifests are listed first: what they name then lies in every later listing."""

    def __init__(self, store: CorpusStore, *, deep: bool, litter_age: dt.timedelta) -> None:
        self._store, self._deep = store, deep
        self._began = time.monotonic()
        now = store.bucket.server_time() or dt.datetime.now(dt.UTC)
        self._old = (now - litter_age).timestamp()
        self._young: set[str] = set()
        self._unchecked: list[str] = []

    def report(self) -> Report:
        numbers = self._store.committed()
        data, verdicts = self._listed("shards"), self._listed("verdicts")
        shards = self._check(numbers, data, {entry.key for entry in verdicts})
        readable = [found.manifest for found in shards if found.manifest]
        findings = [finding for found in shards for finding in found.findings]
        findings += self._other_fingerprints(shards)
        findings += orphans(
            self._store,
            [*data, *verdicts],
            named={key for one in readable for key in (one.data_key, one.verdict_key)},
            unread=set(numbers) - {one.shard for one in readable},
        )
        findings += staged(self._store, self._listed("staging"), committed=set(numbers))
        findings += self._quarantine()
        findings += strangers(self._store, self._store.bucket.folders(f"{self._store.keys.root}/"))
        findings += self._unfinished()
        total = self._store.spec.shard_count
        return Report(
            corpus=self._store.spec.name,
            fingerprint=self._store.fingerprint,
            deep=self._deep,
            shards=total,
            committed=sum(not is_top_up(self._store.spec, number) for number in numbers),
            top_ups=[number for number in numbers if is_top_up(self._store.spec, number)],
            phrases=sum(found.rows for found in shards),
            missing=sorted(set(range(total)) - set(numbers)),
            findings=[finding for finding in findings if not self._waits(finding)],
            waiting=[finding for finding in findings if self._waits(finding)],
            unchecked=self._unchecked,
            bytes_read=sum(found.bytes_read for found in shards),
            seconds=round(time.monotonic() - self._began, 3),
        )

    def _listed(self, folder: str) -> list[Entry]:
        entries = list(self._store.bucket.entries(f"{self._store.keys.root}/{folder}/"))
        self._young.update(entry.key for entry in entries if entry.modified > self._old)
        return entries

    def _check(self, numbers: list[int], data: list[Entry], verdicts: set[str]) -> list[ShardFound]:
        size = self._store.spec.shard_phrases
        largest = max((entry.size for entry in data), default=1)
        checker = ShardChecker(self._store, verdicts=verdicts, deep=self._deep)
        return in_parallel(
            lambda number: checker.check(Shard(number, number * size, size)),
            numbers,
            at_once=max(1, min(PARALLEL_READS, READ_BYTES // max(1, largest))),
        )

    def _other_fingerprints(self, shards: list[ShardFound]) -> list[Finding]:
        """Shards of another version of the corpus file, and versions whose corpus file was not kept."""
        by_fingerprint: dict[str, list[int]] = defaultdict(list)
        for found in shards:
            if found.manifest:
                by_fingerprint[found.manifest.fingerprint].append(found.shard.number)
        findings = []
        for other, numbers in sorted(by_fingerprint.items()):
            where = self._store.url(self._store.keys.spec(other))
            if other != self._store.fingerprint:
                what = (
                    f"shards {format_shards(numbers)} were made from another version of the corpus file; what differs: "
                    f"{self._store.differences(other)}"
                )
                mend = "undo the change, or give the corpus a new name so that it starts afresh"
                findings.append(Finding(kind="fingerprint", what=what, where=where, mend=mend))
            if not self._is_kept(other):
                what = f"the corpus file of shards {format_shards(numbers)} is not kept, or is another"
                ours = other == self._store.fingerprint
                mend = "`phrasemill verify --repair` keeps it again" if ours else "restore it from a backup"
                findings.append(Finding(kind="spec", what=what, where=where, mend=mend))
        return findings

    def _is_kept(self, wanted: str) -> bool:
        key = self._store.keys.spec(wanted)
        try:
            content = self._store.bucket.get(key)
            return content is not None and fingerprint(parse_corpus(content.decode(), source=key)) == wanted
        except (ObjectDamaged, SpecError, UnicodeDecodeError):
            return False

    def _quarantine(self) -> list[Finding]:
        folders: dict[str, set[str]] = defaultdict(set)
        for entry in self._listed("quarantine"):
            folder, _, name = entry.key.rpartition("/")
            folders[f"{folder}/"].add(name)
        found = in_parallel(
            lambda item: list(quarantine_findings(self._store, *item, deep=self._deep)), folders.items(), at_once=4
        )
        return [finding for part in found for finding in part]

    def _unfinished(self) -> list[Finding]:
        try:
            uploads = list(self._store.bucket.uploads(f"{self._store.keys.root}/"))
        except StoreUnavailable:
            raise
        except StoreError as error:  # a permission of its own, and some servers have no such call
            self._unchecked.append(f"unfinished uploads: {error}")
            return []
        self._young.update(upload.upload_id for upload in uploads if upload.begun > self._old)
        return list(unfinished(self._store, uploads))

    def _waits(self, finding: Finding) -> bool:
        return finding.kind in LITTER and (finding.upload_id or finding.key) in self._young
