"""Mends what `verify` found, as far as nothing committed is lost by it.

What is removed belongs to nobody: litter older than a day, staged blocks of committed shards that are whole. A
manifest whose data is gone is taken back, its text kept under retracted/, so that the shard is planned again. Data
that a manifest names is never removed, damaged or not. Before each deed the bucket is looked at once more, since
workers go on meanwhile.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass

from phrasemill.errors import RecordUnreadable
from phrasemill.planning import Shard
from phrasemill.store.bucket import Upload
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging
from phrasemill.verify_findings import LITTER_AGE, MENDED, Finding, Report


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair has done."""

    done: list[str]
    """One line a deed."""
    left: list[Finding]
    """Findings that a person must mend."""
    rewrite: list[int]
    """Shards without a manifest, those whose commit was taken back among them."""


def repair(store: CorpusStore, report: Report, *, litter_age: dt.timedelta = LITTER_AGE) -> Repaired:
    """Mend what can be mended.

    Args:
        store: the corpus's.
        report: of the same corpus, just made.
        litter_age: litter younger than this is left alone.

    Raises:
        StoreError: the bucket does not take it; what was done until then stays done.
    """
    return _Repair(store, report, litter_age).run()


class _Repair:
    def __init__(self, store: CorpusStore, report: Report, litter_age: dt.timedelta) -> None:
        self._store, self._report = store, report
        self._now = store.bucket.server_time() or dt.datetime.now(dt.UTC)
        self._old = (self._now - litter_age).timestamp()
        self._unsound = {
            finding.shard
            for finding in report.findings
            if finding.kind in {"manifest", "data_gone", "data_damaged", "rows"}
        }
        self._taken_back: list[int] = []

    def run(self) -> Repaired:
        deeds: dict[str, Callable[[Finding], str]] = {
            "spec": self._keep_spec,
            "data_gone": self._take_back,
            "verdict": self._rewrite_verdict,
            "orphan": self._remove_litter,
            "probe": self._remove_litter,
            "upload": self._abort,
            "staging": self._clear_staging,
        }
        done, left = [], []
        for finding in self._report.findings:
            told = deeds[finding.kind](finding) if finding.kind in MENDED else ""
            if told:
                done.append(told)
            else:
                left.append(finding)
        return Repaired(done=done, left=left, rewrite=sorted({*self._report.missing, *self._taken_back}))

    def _keep_spec(self, finding: Finding) -> str:
        key = self._store.keys.spec(self._store.fingerprint)
        if finding.where != self._store.url(key) or self._store.bucket.entry(key):
            return ""
        self._store.record_spec()
        return f"kept the corpus file again: {finding.where}"

    def _take_back(self, finding: Finding) -> str:
        number = finding.shard
        manifest = None if number is None else self._store.manifest_of_any(number)
        if number is None or manifest is None or manifest.data_key != finding.key:
            return ""
        if self._store.bucket.entry(finding.key):
            return ""
        body = manifest.model_dump_json(indent=1).encode()
        kept = self._store.keys.retracted(number, f"{self._now:%Y%m%dT%H%M%SZ}")
        self._store.bucket.put(kept, body, content_type="application/json")
        # The manifest first: whoever dies between the two leaves litter, not a commit without its verdict.
        self._store.bucket.delete([self._store.keys.manifest(number), *filter(None, [manifest.verdict_key])])
        self._taken_back.append(number)
        return f"took back the commit of {manifest.label}, whose data is gone; its manifest: {self._store.url(kept)}"

    def _rewrite_verdict(self, finding: Finding) -> str:
        manifest = None if finding.shard is None else self._store.manifest_of_any(finding.shard)
        if manifest is None or not finding.key or manifest.verdict_key != finding.key:
            return ""
        body = json.dumps(manifest.verdict, indent=1, ensure_ascii=False).encode()
        self._store.bucket.put_if_absent(finding.key, body, content_type="application/json")
        return f"wrote the verdict of {manifest.label} anew, without its samples: {finding.where}"

    def _remove_litter(self, finding: Finding) -> str:
        entry = self._store.bucket.entry(finding.key)
        if entry is None:
            return f"gone by itself: {finding.where}"
        if entry.modified > self._old or not self._belongs_to_nobody(finding):
            return ""
        self._store.bucket.delete([finding.key])
        return f"removed {finding.where}: {finding.what}"

    def _belongs_to_nobody(self, finding: Finding) -> bool:
        """Whether no manifest names the object, nor can a publish that runs just now come to name it."""
        if finding.shard is None:
            return True
        try:
            manifest = self._store.manifest_of_any(finding.shard)
        except RecordUnreadable:
            return False
        if manifest:
            return finding.key not in {manifest.data_key, manifest.verdict_key}
        # The same blocks would be committed under the very same key: they keep what it may need.
        return not any(self._store.bucket.entries(self._store.keys.staging(self._shard(finding.shard))))

    def _abort(self, finding: Finding) -> str:
        self._store.bucket.abort(Upload(finding.key, finding.upload_id, 0.0))
        return f"aborted an unfinished upload: {finding.where}"

    def _clear_staging(self, finding: Finding) -> str:
        if finding.shard is None or finding.shard in self._unsound:
            return ""  # its blocks may be all that is left of the shard
        if self._store.manifest_of_any(finding.shard) is None:
            return ""
        ShardStaging(self._store, self._shard(finding.shard)).clear()
        return f"removed {finding.what}: {finding.where}"

    def _shard(self, number: int) -> Shard:
        size = self._store.spec.shard_phrases
        return Shard(number, number * size, size)
