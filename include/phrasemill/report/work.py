"""What the work on some shards took: time, tokens, rejects, money. Pure."""

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from phrasemill.facts import ENGINE_REASONS, Facts
from phrasemill.manifest import Manifest, Totals
from phrasemill.price_settings import Price
from phrasemill.report.judged import Judged, weighted
from phrasemill.report.summary import Cost, RateLine, RejectLine, Work
from phrasemill.rules import meanings
from phrasemill.spec import CorpusSpec
from phrasemill.writing_time import busy_seconds

MAX_STRETCHES = 120
STRETCHES_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)


def work_of(shards: Sequence[Judged], facts: Facts) -> Work:
    """What it took; `facts` are those of all these shards."""
    manifests = [shard.manifest for shard in shards]
    totals, seconds = Totals.of(manifests), seconds_of(manifests)
    return Work(
        prompt_tokens=facts.prompt_tokens,
        completion_tokens=facts.completion_tokens,
        tokens_per_phrase=facts.completion_tokens / totals.phrases if totals.phrases else None,
        tokens_per_char=facts.completion_tokens / totals.chars if totals.chars else None,
        started_at=facts.started_at,
        finished_at=facts.finished_at,
        seconds=seconds,
        phrases_per_second=facts.accepted / seconds if seconds else None,
        tokens_per_second=facts.completion_tokens / seconds if seconds else None,
        engines=facts.engines,
        accepted=facts.accepted,
        judged=facts.judged,
        reject_share=facts.reject_share,
        mean_attempt=weighted(shards, "mean_attempt"),
        rates=rates(manifests),
    )


def seconds_of(manifests: Iterable[Manifest]) -> float:
    """The time in which at least one of these shards was being generated: days between two runs do not count."""
    return busy_seconds(span for manifest in manifests if (span := manifest.generating))


def rates(manifests: Iterable[Manifest]) -> tuple[RateLine, ...]:
    """Phrases a second over time, in at most MAX_STRETCHES equal stretches.

    The phrases of a block are taken to have come evenly between the save before it and its own.
    """
    spans = np.array([span for manifest in manifests for span in _spans(manifest)])
    if not len(spans):
        return ()
    starts, ends, phrases = spans.T
    first, last = float(starts.min()), float(ends.max())
    width = next((step for step in STRETCHES_S if (last - first) / step <= MAX_STRETCHES - 1), 0)
    width = width or math.ceil((last - first) / (MAX_STRETCHES - 1))
    origin = first // width * width
    edges = np.arange(origin, last + width, width)
    done = (np.clip((edges[:, None] - starts) / (ends - starts), 0, 1) * phrases).sum(axis=1)
    return tuple(
        RateLine(start=dt.datetime.fromtimestamp(start, dt.UTC), seconds=width, phrases_per_second=round(rate, 6))
        for start, rate in zip(edges.tolist(), (np.diff(done) / width).tolist(), strict=False)
    )


def _spans(manifest: Manifest) -> list[tuple[float, float, int]]:
    """Starts, ends (seconds since 1970) and phrases of a shard's blocks, or of the shard as a whole."""
    if manifest.facts.pace:
        return [(at - max(seconds, 0.1), at, phrases) for at, seconds, phrases in manifest.facts.pace]
    if manifest.generating is None:
        return []
    start, end = (time.timestamp() for time in manifest.generating)
    return [(min(start, end - 0.1), end, manifest.facts.accepted)]


def rejects_of(facts: Facts, spec: CorpusSpec) -> tuple[RejectLine, ...]:
    """Reject reasons, the most frequent first; a corpus's own rules are explained as its file does."""
    explained = meanings(spec) | ENGINE_REASONS
    return tuple(
        RejectLine(
            reason=reason,
            meaning=explained.get(reason, ""),
            count=count,
            share=count / facts.judged,
            examples=tuple(dict.fromkeys(facts.examples.get(reason, ()))),
        )
        for reason, count in Counter(facts.rejects).most_common()
    )


def cost_of(price: Price | None, *, work: Work, phrases: int, target: int) -> Cost | None:
    """What the work cost; None without a price or without phrases."""
    if price is None or not phrases:
        return None
    if price.per_gpu_hour is not None:
        hours = work.seconds / 3600
        amount = price.per_gpu_hour * price.gpus * hours
        gpus = "1 GPU" if price.gpus == 1 else f"{price.gpus} GPUs"
        basis = (
            f"{gpus} for {hours:.2f} hours of generating committed shards, "
            f"at {price.per_gpu_hour:g} {price.currency} an hour each"
        )
    else:
        asked, written = price.per_million_prompt_tokens, price.per_million_completion_tokens
        amount = (work.prompt_tokens * asked + work.completion_tokens * written) / 1e6
        basis = f"{asked:g} {price.currency} a million prompt tokens, {written:g} a million completion tokens"
    return Cost(
        currency=price.currency,
        amount=amount,
        per_million_phrases=amount / phrases * 1e6,
        whole_target=amount / phrases * target,
        basis=basis,
    )
