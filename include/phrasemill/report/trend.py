"""Nights as points that can be compared. Pure."""

import datetime as dt
from collections.abc import Sequence
from itertools import groupby

from phrasemill.facts import Facts
from phrasemill.manifest import Totals
from phrasemill.planning import is_top_up
from phrasemill.report.judged import Judged
from phrasemill.report.summary import FigureLine, NightSummary, TrendPoint
from phrasemill.report.texts import figures_of
from phrasemill.report.work import seconds_of
from phrasemill.spec import CorpusSpec


def point_of(date: str, shards: Sequence[Judged]) -> TrendPoint:
    """One night's point, from its committed shards."""
    manifests = [shard.manifest for shard in shards]
    facts, totals = Facts.total([manifest.facts for manifest in manifests]), Totals.of(manifests)
    seconds = seconds_of(manifests)
    return TrendPoint(
        date=date,
        phrases=totals.phrases,
        phrases_per_second=facts.accepted / seconds if seconds else None,
        reject_share=facts.reject_share if facts.judged else None,
        mean_chars=totals.chars / totals.phrases if totals.phrases else None,
        tokens_per_phrase=facts.completion_tokens / totals.phrases if totals.phrases else None,
        figures=_means(figures_of(shards)),
    )


def nights_of(spec: CorpusSpec, shards: Sequence[Judged]) -> tuple[TrendPoint, ...]:
    """A corpus's nights: a night is the shards that one logical date owns, by the schedule as it is now.

    Top-up shards, which no night owns, are one more point at the end.

    Args:
        spec: gives shards a night.
        shards: sorted by number.
    """
    size = spec.schedule.shards_per_night

    def night(shard: Judged) -> str:
        number = shard.manifest.shard
        return "top-up" if is_top_up(spec, number) else f"night {number // size}"

    return tuple(point_of(label, list(members)) for label, members in groupby(shards, key=night))


def earlier_points(summaries: Sequence[NightSummary], *, before: dt.datetime | None) -> list[TrendPoint]:
    """Points of the nights whose first shard was committed before that time, the earliest first; all without it."""
    dated = [(min(line.committed_at for line in summary.shards), summary) for summary in summaries if summary.shards]
    dated.sort(key=lambda pair: pair[0])
    return [_point_of_summary(summary) for at, summary in dated if before is None or at < before]


def _point_of_summary(summary: NightSummary) -> TrendPoint:
    return TrendPoint(
        date=summary.date,
        phrases=summary.phrases,
        phrases_per_second=summary.work.phrases_per_second,
        reject_share=summary.work.reject_share if summary.work.judged else None,
        mean_chars=summary.lengths.mean if summary.lengths else None,
        tokens_per_phrase=summary.work.tokens_per_phrase,
        figures=_means(summary.figures),
    )


def _means(figures: Sequence[FigureLine]) -> dict[str, float]:
    return {line.metric: line.mean for line in figures}
