"""Closing a night: its report in the bucket, and an error while a shard of it has no manifest."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from phrasemill.errors import NightIncomplete
from phrasemill.manifest import Totals
from phrasemill.overview import draw_rows
from phrasemill.planning import format_shards
from phrasemill.report import NightSummary, render_report, summarise_night
from phrasemill.steps import Workplace
from phrasemill.store.quarantine import quarantined

SAMPLE_PHRASES = 30


@dataclass(frozen=True, slots=True)
class NightReport:
    """A night summed up, and the page drawn from it."""

    summary: NightSummary
    page: str

    def files(self) -> dict[str, bytes]:
        """File names with their contents."""
        summary = self.summary.model_dump_json(indent=1).encode()
        return {"summary.json": summary, "report.html": self.page.encode()}


def night_report(place: Workplace, *, label: str, night: int | None, shards: Sequence[int]) -> NightReport:
    """Sum up some shards; `label` and `night` name the night in the report."""
    store, spec = place.store, place.spec
    everything = store.manifests(store.committed())
    planned = set(shards)
    manifests = [manifest for manifest in everything if manifest.shard in planned]
    missing = sorted(planned - {manifest.shard for manifest in manifests})
    held = [item for item in quarantined(store) if item.shard in planned]
    summary = summarise_night(
        spec,
        manifests,
        fingerprint=store.fingerprint,
        date=label,
        night=night,
        run_id=place.run_id,
        planned=shards,
        missing=missing,
        quarantined=[asdict(item) for item in held],
        committed=Totals.of(everything),
        now=dt.datetime.now(dt.UTC),
    )
    sample = draw_rows(store, manifests, SAMPLE_PHRASES) if manifests else []
    return NightReport(summary, render_report(summary, sample=sample))


def close_night(place: Workplace, *, label: str, night: int | None, shards: Sequence[int]) -> dict[str, Any]:
    """Write the night's report to the bucket.

    Raises:
        NightIncomplete: a shard of the night has no manifest; the report is written all the same.
    """
    report = night_report(place, label=label, night=night, shards=shards)
    kinds = {"summary.json": "application/json", "report.html": "text/html; charset=utf-8"}
    for name, content in report.files().items():
        place.store.bucket.put(place.store.keys.report(label, name), content, content_type=kinds[name])
    address = place.store.url(place.store.keys.report(label, "report.html"))
    if report.summary.missing:
        raise NightIncomplete(
            f"{place.spec.name}, night {label}: {report.summary.state}. Clear the failed tasks of shards "
            f"{format_shards(list(report.summary.missing))}, or run a backfill of failed runs. Report: {address}"
        )
    return {"report": address, "shards": len(shards), "phrases": report.summary.phrases}
