"""Closing a night: its report in the bucket, and an error while a shard of it has no manifest."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import pyarrow as pa
import xxhash
from pydantic import ValidationError

from phrasemill.committed_rows import draw_rows, shard_rows
from phrasemill.errors import DataDocsError, FingerprintMismatch, NightIncomplete, StoreError
from phrasemill.manifest import Manifest, Totals
from phrasemill.planning import format_shards, is_top_up
from phrasemill.report import CorpusSummary, NightSummary, render_report, summarise_corpus, summarise_night
from phrasemill.report.corpus_figures import CorpusFigures
from phrasemill.report.corpus_sample import PHRASES_OF_A_SHARD, SAMPLED_SHARDS, sample_figures
from phrasemill.report.data_docs import JudgedShard, judged_shards, publish_data_docs
from phrasemill.report.summary import TrendPoint
from phrasemill.report.trend import earlier_points
from phrasemill.steps import Workplace
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.keys import key_safe
from phrasemill.store.quarantine import Quarantined, quarantined
from phrasemill.store.shard_index import refresh_index

log = logging.getLogger(__name__)

SAMPLE_PHRASES = 30
NIGHTS_COMPARED = 30
"""Summaries of other nights that are read, the newest ones: 100 kB each at most."""
KINDS = {"summary.json": "application/json", "report.html": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class NightRecords:
    """What the bucket has of a night: manifests of the whole corpus and of its shards, and its failed gates."""

    everything: list[Manifest]
    manifests: list[Manifest]
    held: list[Quarantined]

    @classmethod
    def read(cls, store: CorpusStore, shards: Sequence[int]) -> Self:
        """Read them, discarded gates included."""
        planned = set(shards)
        everything = store.manifests(store.committed())
        return cls(
            everything,
            [manifest for manifest in everything if manifest.shard in planned],
            [item for item in quarantined(store, among="all") if item.shard in planned],
        )

    def judged(self) -> list[JudgedShard]:
        """Its verdicts, the worst first, those of discarded gates left out."""
        return judged_shards(self.manifests, [item for item in self.held if not item.discarded])


def night_report(
    place: Workplace,
    *,
    label: str,
    night: int | None,
    shards: Sequence[int],
    records: NightRecords | None = None,
) -> NightSummary:
    """Sum up some shards; `label` and `night` name the night in the report, `records` saves reading them again."""
    store = place.store
    records = records or NightRecords.read(store, shards)
    manifests = records.manifests
    return summarise_night(
        place.spec,
        manifests,
        fingerprint=store.fingerprint,
        date=label,
        night=night,
        run_id=place.run_id,
        planned=shards,
        missing=sorted(set(shards) - {manifest.shard for manifest in manifests}),
        quarantined=[asdict(item) for item in records.held],
        committed=Totals.of(one for one in records.everything if not is_top_up(place.spec, one.shard)),
        top_ups=Totals.of(one for one in records.everything if is_top_up(place.spec, one.shard)),
        now=dt.datetime.now(dt.UTC),
        sample=draw_rows(store, manifests, SAMPLE_PHRASES, seed=_seed(store, label)),
        earlier=_earlier(store, label, before=[manifest.committed_at for manifest in manifests]),
    )


def corpus_report(place: Workplace) -> CorpusSummary:
    """Sum up a whole corpus: everything from manifests, and figures over shards from a bounded sample of rows."""
    store = place.store
    manifests = store.manifests(store.committed())
    seed = _seed(store, "corpus")
    return summarise_corpus(
        place.spec,
        manifests,
        fingerprint=store.fingerprint,
        run_id=place.run_id,
        quarantined=[asdict(item) for item in quarantined(store, among="all")],
        now=dt.datetime.now(dt.UTC),
        sample=draw_rows(store, manifests, SAMPLE_PHRASES, seed=seed),
        corpus_figures=_corpus_figures(store, manifests, seed=seed),
    )


def report_files(summary: NightSummary | CorpusSummary, *, data_docs: bool = False) -> dict[str, bytes]:
    """The files of a report: names with their contents; `data_docs` says that Data Docs lie beside them."""
    page = render_report(summary, data_docs=data_docs)
    return {"summary.json": summary.as_json(), "report.html": page.encode()}


def close_night(place: Workplace, *, label: str, night: int | None, shards: Sequence[int]) -> dict[str, Any]:
    """Write the night's report and its Data Docs to the bucket, and bring the index of shards up to date.

    Raises:
        NightIncomplete: a shard of the night has no manifest; report and Data Docs are written all the same.
    """
    records = NightRecords.read(place.store, shards)
    summary = night_report(place, label=label, night=night, shards=shards, records=records)
    data_docs = _publish_data_docs(place.store, summary, records)
    for name, content in report_files(summary, data_docs=data_docs is not None).items():
        place.store.bucket.put(place.store.keys.report(label, name), content, content_type=KINDS[name])
    _refresh_index(place.store)
    address = place.store.url(place.store.keys.report(label, "report.html"))
    if summary.missing:
        raise NightIncomplete(
            f"{place.spec.name}, night {label}: {summary.state}. Clear the failed tasks of shards "
            f"{format_shards(list(summary.missing))}, or run a backfill of failed runs. Report: {address}"
        )
    return {
        "report": address,
        "data_docs": data_docs,
        "shards": len(shards),
        "phrases": summary.phrases,
        "committed": summary.progress.committed.shards,
    }


def _refresh_index(store: CorpusStore) -> None:
    """The index only saves time: a night is not red for want of it."""
    try:
        refresh_index(store)
    except (StoreError, FingerprintMismatch) as error:
        log.warning("the index of shards is not up to date, so pages and status read more: %s", error)


def _publish_data_docs(store: CorpusStore, summary: NightSummary, records: NightRecords) -> str | None:
    """The address of the night's Data Docs; None if they could not be made, which harms no phrase."""
    try:
        return store.url(publish_data_docs(store, summary, records.judged()))
    except DataDocsError as error:
        log.warning("%s", error)
        return None


def _earlier(store: CorpusStore, label: str, *, before: Sequence[dt.datetime]) -> list[TrendPoint]:
    """Nights before this one, from the newest summaries that lie in the bucket; those of another format are left."""
    folders = store.bucket.folders(f"{store.keys.root}/reports/")
    keys = [f"{folder}summary.json" for folder in folders if folder.split("/")[-2] != key_safe(label)]
    entries = [entry for entry in in_parallel(store.bucket.entry, keys) if entry]
    newest = sorted(entries, key=lambda entry: entry.modified)[-NIGHTS_COMPARED:]

    def read(key: str) -> NightSummary | None:
        content = store.bucket.get(key)
        try:
            return NightSummary.model_validate_json(content) if content else None
        except ValidationError:
            log.warning("%s is of another version and is not compared with", store.url(key))
            return None

    summaries = in_parallel(read, [entry.key for entry in newest])
    return earlier_points([summary for summary in summaries if summary], before=min(before, default=None))


def _corpus_figures(store: CorpusStore, manifests: Sequence[Manifest], *, seed: int) -> CorpusFigures | None:
    if not manifests:
        return None
    step = max(1, -(-len(manifests) // SAMPLED_SHARDS))
    chosen = manifests[::step]

    def sample(manifest: Manifest) -> pa.Table:
        rows = shard_rows(store, manifest).select(["text", "text_hash"])
        stride = -(-rows.num_rows // PHRASES_OF_A_SHARD)
        return rows.take(pa.array(range(0, rows.num_rows, stride)))

    tables = in_parallel(sample, chosen)
    return sample_figures(
        [table.column("text").combine_chunks() for table in tables],
        [table.column("text_hash").to_numpy() for table in tables],
        seed=seed,
    )


def _seed(store: CorpusStore, label: str) -> int:
    """The same phrases for the same night, whenever its report is written."""
    return xxhash.xxh3_64_intdigest(f"{store.spec.name} {label}".encode())
