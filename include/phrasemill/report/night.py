"""A night's manifests -> its summary. Pure; no phrase is read, so 400 shards take no longer than their JSON."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from phrasemill.facts import Facts
from phrasemill.gate.verdict import Expectation, Verdict
from phrasemill.manifest import Manifest, Totals
from phrasemill.planning import format_shards
from phrasemill.report.summary import (
    DiversityLine,
    ExpectationLine,
    Lengths,
    NightSummary,
    Progress,
    QuarantineLine,
    RejectLine,
    ShardLine,
    Work,
)
from phrasemill.spec import CorpusSpec

DIVERSITY = ("distinct_1", "distinct_2", "distinct_3", "top_opening_share", "template_coverage")


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
    now: dt.datetime,
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
        committed: the whole corpus so far.
        now: timezone-aware.
    """
    manifests = sorted(manifests, key=lambda manifest: manifest.shard)
    verdicts = [Verdict.model_validate(manifest.verdict) for manifest in manifests]
    held = [QuarantineLine.model_validate(dict(entry)) for entry in quarantined]
    facts = Facts.total([manifest.facts for manifest in manifests])
    night_totals = Totals.of(manifests)
    return NightSummary(
        corpus=spec.name,
        title=spec.title,
        language=spec.language,
        model=spec.model.served,
        fingerprint=fingerprint,
        date=date,
        night=night,
        run_id=run_id,
        made_at=now.astimezone(dt.UTC),
        complete=not missing,
        state=_state(planned, missing=missing, quarantined=held),
        progress=Progress(
            target_phrases=spec.target_phrases,
            shards=spec.shard_count,
            committed=committed,
            share=committed.phrases / spec.target_phrases,
        ),
        planned=tuple(planned),
        missing=tuple(missing),
        quarantined=tuple(held),
        shards=tuple(map(_shard_line, manifests, verdicts)),
        phrases=night_totals.phrases,
        chars=night_totals.chars,
        text_bytes=night_totals.bytes,
        data_bytes=sum(manifest.data_bytes for manifest in manifests),
        work=_work(facts, manifests=manifests, verdicts=verdicts),
        rejects=_rejects(facts),
        lengths=_lengths(verdicts),
        diversity=_diversity(manifests, verdicts),
        expectations=_expectations(manifests, verdicts, quarantined=held),
    )


def _state(planned: Sequence[int], *, missing: Sequence[int], quarantined: Iterable[QuarantineLine]) -> str:
    if not missing:
        return "complete"
    held = sorted({line.shard for line in quarantined} & set(missing))
    words = f"{len(missing)} of {len(planned)} shards missing ({format_shards(list(missing))})"
    if held == sorted(missing):
        return f"incomplete: {words}, in quarantine"
    return f"incomplete: {words}" + (f", of which {format_shards(held)} in quarantine" if held else "")


def _shard_line(manifest: Manifest, verdict: Verdict) -> ShardLine:
    seconds = _busy_seconds([manifest])
    return ShardLine(
        shard=manifest.shard,
        phrases=manifest.rows,
        committed_at=manifest.committed_at,
        run_id=manifest.run_id,
        phrases_per_second=manifest.facts.accepted / seconds if seconds else None,
        reject_share=manifest.facts.reject_share,
        mean_chars=manifest.chars / manifest.rows if manifest.rows else 0.0,
        warnings=tuple(map(str, verdict.warnings)),
    )


def _work(facts: Facts, *, manifests: Sequence[Manifest], verdicts: Sequence[Verdict]) -> Work:
    totals, seconds = Totals.of(manifests), _busy_seconds(manifests)
    return Work(
        prompt_tokens=facts.prompt_tokens,
        completion_tokens=facts.completion_tokens,
        tokens_per_phrase=facts.completion_tokens / totals.phrases if totals.phrases else None,
        tokens_per_char=facts.completion_tokens / totals.chars if totals.chars else None,
        started_at=facts.started_at,
        finished_at=facts.finished_at,
        seconds=seconds,
        phrases_per_second=facts.accepted / seconds if seconds else None,
        engines=facts.engines,
        accepted=facts.accepted,
        judged=facts.judged,
        reject_share=facts.reject_share,
        mean_attempt=_weighted(manifests, verdicts, metric="mean_attempt"),
    )


def _busy_seconds(manifests: Iterable[Manifest]) -> float:
    """Length of the union of the times in which shards were generated: days between two runs do not count."""
    seconds, until = 0.0, None
    for start, end in sorted(span for manifest in manifests if (span := manifest.generating)):
        fresh = start if until is None else max(start, until)
        seconds += max(0.0, (end - fresh).total_seconds())
        until = end if until is None else max(end, until)
    return seconds


def _rejects(facts: Facts) -> tuple[RejectLine, ...]:
    common = Counter(facts.rejects).most_common()
    return tuple(
        RejectLine(
            reason=reason,
            count=count,
            share=count / facts.judged,
            examples=tuple(dict.fromkeys(facts.examples.get(reason, ()))),
        )
        for reason, count in common
    )


def _lengths(verdicts: Iterable[Verdict]) -> Lengths | None:
    counts: Counter[int] = Counter()
    for verdict in verdicts:
        counts.update(verdict.lengths)
    if not counts:
        return None
    lengths = np.array(sorted(counts))
    phrases = np.array([counts[length] for length in lengths.tolist()])
    below = np.cumsum(phrases)

    def quantile(share: float) -> int:
        return int(lengths[np.searchsorted(below, share * below[-1])])

    return Lengths(
        mean=float((lengths * phrases).sum() / below[-1]),
        shortest=int(lengths[0]),
        p05=quantile(0.05),
        median=quantile(0.5),
        p95=quantile(0.95),
        longest=int(lengths[-1]),
        histogram=dict(zip(lengths.tolist(), phrases.tolist(), strict=True)),
    )


def _diversity(manifests: Sequence[Manifest], verdicts: Sequence[Verdict]) -> tuple[DiversityLine, ...]:
    lines = []
    for metric in DIVERSITY:
        values = [verdict.metrics[metric] for verdict in verdicts if metric in verdict.metrics]
        mean = _weighted(manifests, verdicts, metric=metric)
        if mean is not None:
            lines.append(DiversityLine(metric=metric, mean=mean, lowest=min(values), highest=max(values)))
    return tuple(lines)


def _weighted(manifests: Sequence[Manifest], verdicts: Sequence[Verdict], *, metric: str) -> float | None:
    """A metric's mean over phrases; None where no verdict has it."""
    pairs = [
        (verdict.metrics[metric], manifest.rows)
        for manifest, verdict in zip(manifests, verdicts, strict=True)
        if metric in verdict.metrics
    ]
    rows = sum(count for _, count in pairs)
    return sum(value * count for value, count in pairs) / rows if rows else None


def _expectations(
    manifests: Sequence[Manifest], verdicts: Sequence[Verdict], *, quarantined: Iterable[QuarantineLine]
) -> tuple[ExpectationLine, ...]:
    judged = [(manifest.shard, verdict) for manifest, verdict in zip(manifests, verdicts, strict=True)]
    judged += [(line.shard, Verdict.model_validate(line.verdict)) for line in quarantined if line.verdict]
    asked: dict[str, list[tuple[int, Expectation]]] = {}
    for shard, verdict in judged:
        for expectation in verdict.expectations:
            asked.setdefault(expectation.name, []).append((shard, expectation))
    lines = [_expectation_line(answers) for answers in asked.values()]
    # Sorting is stable: among equals the gate's own order, the gravest first, stays.
    return tuple(sorted(lines, key=_badness))


def _badness(line: ExpectationLine) -> tuple[int, int]:
    if not line.failed_shards:
        return 2, 0
    return int(line.severity != "critical"), -len(line.failed_shards)


def _expectation_line(answers: list[tuple[int, Expectation]]) -> ExpectationLine:
    failed = [(shard, expectation) for shard, expectation in answers if not expectation.passed]
    first = (failed or answers)[0][1]
    return ExpectationLine(
        name=first.name,
        kind=first.kind,
        column=first.column,
        severity=first.severity,
        shards=len(answers),
        failed_shards=tuple(sorted({shard for shard, _ in failed})),
        observed=first.observed if failed else _range([expectation for _, expectation in answers]),
        limit=first.limit_in_full if failed else _common_limit([expectation for _, expectation in answers]),
    )


def _range(passed: list[Expectation]) -> str:
    """What was observed, from the shard with the lowest value to that with the highest."""
    ordered = sorted(passed, key=lambda expectation: expectation.value or 0.0)
    low, high = ordered[0].observed, ordered[-1].observed
    return low if low == high else f"{low} to {high}"


def _common_limit(passed: list[Expectation]) -> str:
    limits = {expectation.limit_in_full for expectation in passed}
    if len(limits) == 1:
        return limits.pop()
    limits = {expectation.limit for expectation in passed}
    return f"{limits.pop()}, and what chance explains" if len(limits) == 1 else "each shard's own"
