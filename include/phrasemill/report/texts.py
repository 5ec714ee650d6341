"""What the texts of some shards are like: lengths, metrics, openings, coverage, near duplicates. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from phrasemill.gate.verdict import Verdict
from phrasemill.report.judged import Judged, weighted
from phrasemill.report.summary import (
    FigureLine,
    LanguageLine,
    Lengths,
    NearDuplicateLine,
    OpeningLine,
    SlotLine,
    TemplateLine,
)
from phrasemill.report.words import MAX_SHOWN_CHARS

FIGURES = (
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "near_duplicate_share",
    "compression_ratio",
    "top_opening_share",
    "language_share",
    "template_coverage",
    "slot_coverage",
)
MAX_OPENINGS = 10
MAX_NEAR_DUPLICATES = 12


def lengths_of(verdicts: Iterable[Verdict]) -> Lengths | None:
    """Lengths of all phrases; None where there are none."""
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


def figures_of(shards: Sequence[Judged]) -> tuple[FigureLine, ...]:
    """Metrics that verdicts have, averaged over phrases."""
    lines = []
    for metric in FIGURES:
        values = [shard.verdict.metrics[metric] for shard in shards if metric in shard.verdict.metrics]
        mean = weighted(shards, metric)
        if mean is not None:
            lines.append(FigureLine(metric=metric, mean=mean, lowest=min(values), highest=max(values)))
    return tuple(lines)


def openings_of(shards: Sequence[Judged]) -> tuple[OpeningLine, ...]:
    """The most common openings. A verdict names only its shard's own most common ones, so sums are lower bounds."""
    counts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    phrases = 0
    for shard in shards:
        counts.update(shard.verdict.openings)
        named.update(shard.verdict.openings.keys())
        phrases += shard.manifest.rows
    return tuple(
        OpeningLine(opening=opening, count=count, share=count / phrases, exact=named[opening] == len(shards))
        for opening, count in counts.most_common(MAX_OPENINGS)
    )


def templates_of(shards: Sequence[Judged]) -> tuple[TemplateLine, ...]:
    """Phrases by template."""
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(shard.verdict.templates)
    phrases = counts.total()
    return tuple(
        TemplateLine(template=name, phrases=count, share=count / phrases) for name, count in counts.most_common()
    )


def languages_of(shards: Sequence[Judged]) -> tuple[LanguageLine, ...]:
    """What languages the phrases read as, of those that the gate sampled for it."""
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(shard.verdict.languages)
    phrases = counts.total()
    return tuple(LanguageLine(language=name, phrases=n, share=n / phrases) for name, n in counts.most_common())


def near_duplicates_of(shards: Sequence[Judged]) -> tuple[NearDuplicateLine, ...]:
    """Pairs of like phrases, some of every shard before more of one."""
    turns = max((len(shard.verdict.near_duplicates) for shard in shards), default=0)
    pairs = [
        NearDuplicateLine(shard=shard.manifest.shard, **_cut(pair.model_dump()))
        for turn in range(turns)
        for shard in shards
        for pair in shard.verdict.near_duplicates[turn : turn + 1]
    ]
    return tuple(pairs[:MAX_NEAR_DUPLICATES])


def _cut(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value[:MAX_SHOWN_CHARS] if isinstance(value, str) else value for name, value in fields.items()}


def slots_of(shards: Sequence[Judged], lexicons: dict[str, int]) -> tuple[SlotLine, ...]:
    """How much of each lexicon the shards used; `lexicons` has their sizes by name."""
    lines = []
    for slot, lexemes in lexicons.items():
        used = [(shard.verdict.slots[slot], shard.manifest.rows) for shard in shards if slot in shard.verdict.slots]
        if used:
            rows = sum(count for _, count in used)
            mean = sum(value * count for value, count in used) / rows
            lines.append(SlotLine(slot=slot, lexemes=lexemes, used=mean, lowest=min(value for value, _ in used)))
    return tuple(sorted(lines, key=lambda line: (line.used, line.slot)))
