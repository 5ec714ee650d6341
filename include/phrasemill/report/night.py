"""Manifests -> the summary of a night or of a corpus. Pure; no more phrases are read than are shown."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from phrasemill.facts import Facts
from phrasemill.manifest import Manifest, Totals
from phrasemill.planning import format_shards, is_top_up
from phrasemill.report.corpus_figures import CorpusFigures
from phrasemill.report.expectations import expectations_of
from phrasemill.report.judged import Judged, judged
from phrasemill.report.outlook import outlook_of
from phrasemill.report.summary import (
    AcceptedLine,
    CorpusSummary,
    NightSummary,
    PhraseLine,
    Progress,
    QuarantineLine,
    ShardLine,
    TrendPoint,
)
from phrasemill.report.texts import (
    figures_of,
    languages_of,
    lengths_of,
    near_duplicates_of,
    openings_of,
    slots_of,
    templates_of,
)
from phrasemill.report.trend import nights_of, point_of
from phrasemill.report.words import MAX_SHOWN_CHARS
from phrasemill.report.work import cost_of, rejects_of, seconds_of, work_of
from phrasemill.spec import CorpusSpec


def summarise_night(
    spec: CorpusSpec,
    manifests: Sequence[Manifest],
    *,
    fingerprint: str,
    date: str,
    night: int | None,
    run_id: str,
    planned: Sequence[int],
    missing: Sequence[int],
    quarantined: Sequence[Mapping[str, Any]],
    committed: Totals,
    top_ups: Totals | None = None,
    now: dt.datetime,
    sample: Sequence[Mapping[str, Any]] = (),
    earlier: Sequence[TrendPoint] = (),
) -> NightSummary:
    """Sum up a night.

    Args:
        spec: the corpus.
        manifests: of the planned shards that are committed.
        fingerprint: of the spec.
        date: the night's label.
        night: its number, None for a run by hand.
        run_id: the run that closes the night.
        planned: shard numbers of the night.
        missing: those of them without a manifest.
        quarantined: failed gates of planned shards: shard, run, reason, and (optional) the verdict as JSON.
        committed: the whole corpus so far, without top-up shards.
        top_ups: committed top-up shards; none without it.
        now: timezone-aware.
        sample: rows to show: mappings with phrase_id, text, template and scene.
        earlier: nights before this one, the earliest first.
    """
    shards = judged(manifests)
    common = _common(
        spec,
        shards,
        planned=planned,
        missing=missing,
        quarantined=quarantined,
        committed=committed,
        top_ups=top_ups or Totals(),
        sample=sample,
        now=now,
    )
    return NightSummary(
        fingerprint=fingerprint,
        date=date,
        night=night,
        run_id=run_id,
        made_at=now.astimezone(dt.UTC),
        trend=(*earlier, point_of(date, shards)) if shards else tuple(earlier),
        **common,
    )


def summarise_corpus(
    spec: CorpusSpec,
    manifests: Sequence[Manifest],
    *,
    fingerprint: str,
    run_id: str,
    quarantined: Sequence[Mapping[str, Any]],
    now: dt.datetime,
    sample: Sequence[Mapping[str, Any]] = (),
    corpus_figures: CorpusFigures | None = None,
) -> CorpusSummary:
    """Sum up a whole corpus; arguments as for a night, `manifests` being all there are."""
    shards = judged(manifests)
    top_ups = (shard.manifest.shard for shard in shards if is_top_up(spec, shard.manifest.shard))
    planned = [*range(spec.shard_count), *top_ups]
    common = _common(
        spec,
        shards,
        planned=planned,
        missing=sorted(set(planned) - {shard.manifest.shard for shard in shards}),
        quarantined=quarantined,
        committed=Totals.of(manifest for manifest in manifests if not is_top_up(spec, manifest.shard)),
        top_ups=Totals.of(manifest for manifest in manifests if is_top_up(spec, manifest.shard)),
        sample=sample,
        now=now,
    )
    return CorpusSummary(
        fingerprint=fingerprint,
        run_id=run_id,
        made_at=now.astimezone(dt.UTC),
        trend=nights_of(spec, shards),
        corpus_figures=corpus_figures,
        **common,
    )


def _common(
    spec: CorpusSpec,
    shards: Sequence[Judged],
    *,
    planned: Sequence[int],
    missing: Sequence[int],
    quarantined: Sequence[Mapping[str, Any]],
    committed: Totals,
    top_ups: Totals,
    sample: Sequence[Mapping[str, Any]],
    now: dt.datetime,
) -> dict[str, Any]:
    """The fields that every summary has."""
    manifests = [shard.manifest for shard in shards]
    held = _quarantine_lines(quarantined, manifests)
    facts = Facts.total([manifest.facts for manifest in manifests])
    totals, work = Totals.of(manifests), work_of(shards, facts)
    return {
        "corpus": spec.name,
        "title": spec.title,
        "language": spec.language,
        "model": spec.model.served,
        "complete": not missing,
        "state": _state(planned, missing=missing, quarantined=held),
        "progress": Progress(
            target_phrases=spec.target_phrases,
            shards=spec.shard_count,
            committed=committed,
            top_ups=top_ups,
            share=(committed.phrases + top_ups.phrases) / spec.target_phrases,
        ),
        "planned": tuple(planned),
        "missing": tuple(missing),
        "quarantined": tuple(held),
        "shards": tuple(map(_shard_line, shards)),
        "phrases": totals.phrases,
        "chars": totals.chars,
        "text_bytes": totals.bytes,
        "data_bytes": sum(manifest.data_bytes for manifest in manifests),
        "work": work,
        "cost": cost_of(spec.price, work=work, phrases=totals.phrases, target=spec.target_phrases),
        "outlook": outlook_of(spec, manifests, committed=committed, now=now),
        "rejects": rejects_of(facts, spec),
        "lengths": lengths_of(shard.verdict for shard in shards),
        "figures": figures_of(shards),
        "openings": openings_of(shards),
        "templates": templates_of(shards),
        "slots": slots_of(shards, {name: len(lexemes) for name, lexemes in spec.prompts.lexicons.items()}),
        "languages": languages_of(shards),
        "near_duplicates": near_duplicates_of(shards),
        "expectations": expectations_of(shards, held),
        "sample": tuple(map(_phrase_line, sample)),
    }


def _state(planned: Sequence[int], *, missing: Sequence[int], quarantined: Iterable[QuarantineLine]) -> str:
    if not missing:
        return "complete"
    held = sorted({line.shard for line in quarantined if line.now == "held"} & set(missing))
    words = f"{len(missing)} of {len(planned)} shards missing ({format_shards(list(missing))})"
    if held == sorted(missing):
        return f"incomplete: {words}, in quarantine"
    return f"incomplete: {words}" + (f", of which {format_shards(held)} in quarantine" if held else "")


def _quarantine_lines(quarantined: Sequence[Mapping[str, Any]], manifests: Sequence[Manifest]) -> list[QuarantineLine]:
    fate = {manifest.shard: "accepted" if manifest.accepted else "committed" for manifest in manifests}
    return [
        QuarantineLine.model_validate(
            {**entry, "now": fate.get(entry["shard"], "discarded" if entry.get("discarded") else "held")}
        )
        for entry in quarantined
    ]


def _shard_line(shard: Judged) -> ShardLine:
    manifest = shard.manifest
    seconds = seconds_of([manifest])
    return ShardLine(
        shard=manifest.shard,
        phrases=manifest.rows,
        committed_at=manifest.committed_at,
        run_id=manifest.run_id,
        phrases_per_second=manifest.facts.accepted / seconds if seconds else None,
        reject_share=manifest.facts.reject_share,
        mean_chars=manifest.chars / manifest.rows if manifest.rows else 0.0,
        warnings=tuple(map(str, shard.verdict.warnings)),
        accepted=_accepted_line(manifest),
    )


def _accepted_line(manifest: Manifest) -> AcceptedLine | None:
    if manifest.accepted is None:
        return None
    said = manifest.accepted
    return AcceptedLine(by=said.by, at=said.at, reason=said.reason, failed=said.failed)


def _phrase_line(row: Mapping[str, Any]) -> PhraseLine:
    return PhraseLine(
        phrase_id=row["phrase_id"],
        text=row["text"][:MAX_SHOWN_CHARS],
        chars=len(row["text"]),
        template=row["template"],
        scene=row["scene"],
    )
