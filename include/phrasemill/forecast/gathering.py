"""Gathering: evidence for a forecast from what a corpus has committed, and from its calibration. Pure.

Real rates replace assumptions as nights pass. Of the committed shards of this fingerprint the newest NIGHTS nights
count, and of these only shards written with as many engines as the newest one. A night is here what no pause of
NIGHT_PAUSE parts.

- The rate is accepted phrases over the time in which at least one shard was being written: pauses do not count. Its
  range is `phrasemill.rate_range` over stretches of that time, each as long as a usual shard, at most STRETCHES.
- Shares, lengths and tokens are weighted means over shards, with the range of `mean_range`.
- What passes beside writing (the gate, commits, tasks that start) is the time from the first shard's start to the last
  one's commit less the time of writing; pauses over PAUSE are somebody's day, and left out, and so is the wait of a
  shard that somebody accepted from quarantine.

The calibration stands in while fewer than BLOCKS blocks are committed, and for the rate also where it is newer than
the newest shard and of another number of engines.
"""

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import Protocol

from phrasemill.fingerprint import fingerprint
from phrasemill.forecast.calibration import Calibration
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, Measured
from phrasemill.ranges import Range
from phrasemill.rate_range import mean_range, rate_range, within
from phrasemill.spec import CorpusSpec
from phrasemill.writing_time import joined

NIGHTS = 3
BLOCKS = 3
NIGHT_PAUSE = dt.timedelta(hours=6)
PAUSE = dt.timedelta(minutes=10)
STRETCHES = 24
USUAL_RATE, LEAST_RATE = 0.1, 0.02
"""Spread of the rate of one stretch, and the standard error that stays: runs in turns on one engine were 6 % apart,
runs on two machines 4 (four engines) to 25 % (one), by docs/benchmarks.md."""
USUAL_SHARE, LEAST_SHARE = 0.05, 0.005  # of accept shares and tokens of a shard
USUAL_TEXT, LEAST_TEXT = 0.02, 0.002  # of a shard's mean length and bytes a character: thousands of phrases
USUAL_PAUSES, LEAST_PAUSES = 0.5, 0.1  # error of the pause after one shard, and what stays of it after many

Span = tuple[float, float]
"""Start and end, in seconds since the epoch."""


class Work(Protocol):
    """A committed shard, as far as it is evidence; `store.shard_index.ShardEntry` is one."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def chars(self) -> int: ...  # noqa: D102
    @property
    def text_bytes(self) -> int: ...  # noqa: D102
    @property
    def committed_at(self) -> dt.datetime: ...  # noqa: D102
    @property
    def written(self) -> tuple[dt.datetime, dt.datetime] | None:
        """From when to when its phrases were written."""

    @property
    def engines(self) -> int: ...  # noqa: D102
    @property
    def accepted(self) -> int: ...  # noqa: D102
    @property
    def judged(self) -> int: ...  # noqa: D102
    @property
    def prompt_tokens(self) -> int: ...  # noqa: D102
    @property
    def completion_tokens(self) -> int: ...  # noqa: D102


def evidence_of(shards: Iterable[Work], calibration: Calibration | None = None, *, spec: CorpusSpec) -> Evidence:
    """What is known of a corpus; what nobody measured is None.

    Args:
        shards: all committed ones, or some; those of another fingerprint are left out.
        calibration: counts only if it is of this fingerprint.
        spec: gives the fingerprint and the size of a block.
    """
    own = fingerprint(spec)
    if calibration is not None and calibration.fingerprint != own:
        calibration = None
    told = _newest([shard for shard in shards if shard.fingerprint == own and shard.written and shard.accepted])
    enough = sum(shard.accepted for shard in told) >= BLOCKS * spec.block_phrases
    if not told or (calibration and not enough):
        return _of_calibration(calibration) if calibration else NO_EVIDENCE
    found = _of_shards(told)
    newest = _span(told[-1])[1]
    if calibration and calibration.at.timestamp() > newest and calibration.engines != told[-1].engines:
        measured = Measured(value=calibration.phrases_per_s, source=calibration.source)
        return found.model_copy(update={"phrases_per_s": measured, "engines": calibration.engines})
    return found


def _newest(shards: Sequence[Work]) -> list[Work]:
    """The shards that count, in the order in which they were finished."""
    kept: list[Work] = []
    nights, begun = 1, math.inf
    for shard in sorted(shards, key=lambda shard: _span(shard)[1], reverse=True):
        start, end = _span(shard)
        nights += kept != [] and begun - end > NIGHT_PAUSE.total_seconds()
        if nights > NIGHTS or (kept and shard.engines != kept[0].engines):
            break
        kept.append(shard)
        begun = min(begun, start)
    return kept[::-1]


def _of_shards(shards: Sequence[Work]) -> Evidence:
    since = min(shard.committed_at for shard in shards)
    number = "1 shard" if len(shards) == 1 else f"{len(shards):,} shards"
    source = f"{number} committed since {since:%Y-%m-%d}"

    def measured(value: Range | None) -> Measured | None:
        return Measured(value=value, source=source) if value else None

    def of_outputs(counts: Iterable[int]) -> Range | None:
        values = ((count / s.judged, s.judged) for count, s in zip(counts, shards, strict=True) if s.judged)
        return mean_range(list(values), usual=USUAL_SHARE, least=LEAST_SHARE)

    accepted = of_outputs(shard.accepted for shard in shards)
    length = mean_range([(s.chars / s.rows, s.rows) for s in shards if s.rows], usual=USUAL_TEXT, least=LEAST_TEXT)
    size = mean_range(
        [(s.text_bytes / s.chars, s.chars) for s in shards if s.chars], usual=USUAL_TEXT, least=LEAST_TEXT
    )
    return Evidence(
        phrases_per_s=measured(_rate(shards)),
        engines=shards[-1].engines or None,
        accept_share=measured(accepted and _at_most(accepted, 1.0)),
        chars_per_phrase=measured(length),
        bytes_per_char=measured(size and _at_least(size, 1.0)),
        prompt_tokens_per_output=measured(of_outputs(shard.prompt_tokens for shard in shards)),
        completion_tokens_per_output=measured(of_outputs(shard.completion_tokens for shard in shards)),
        overhead_share=measured(_beside(shards)),
    )


def _of_calibration(calibration: Calibration) -> Evidence:
    def measured(value: Range | None) -> Measured | None:
        return Measured(value=value, source=calibration.source) if value else None

    text = calibration.text
    return Evidence(
        phrases_per_s=measured(calibration.phrases_per_s),
        engines=calibration.engines,
        accept_share=measured(calibration.accept_share),
        chars_per_phrase=measured(text.chars_per_phrase if text else None),
        bytes_per_char=measured(text.bytes_per_char if text else None),
        prompt_tokens_per_output=measured(calibration.prompt_tokens_per_output),
        completion_tokens_per_output=measured(calibration.completion_tokens_per_output),
    )


def _rate(shards: Sequence[Work]) -> Range | None:
    """Accepted phrases a second of writing, from stretches of the time in which something was being written."""
    spans = [_span(shard) for shard in shards]
    busy = joined(spans)
    starts = [start for start, _ in busy]
    passed = list(accumulate((end - start for start, end in busy), initial=0.0))
    usual_shard = median(end - start for start, end in spans)
    number = max(1, min(STRETCHES, int(passed[-1] / usual_shard)))
    length = passed[-1] / number
    written = [0.0] * number
    for shard, (start, end) in zip(shards, spans, strict=True):
        # A shard lies within one busy span, so on a clock that stops in pauses it is one piece.
        span = bisect_right(starts, start) - 1
        began = passed[span] + start - starts[span]
        for stretch in range(number):
            shared = min(began + end - start, (stretch + 1) * length) - max(began, stretch * length)
            written[stretch] += shard.accepted * max(0.0, shared) / (end - start)
    return rate_range([(length, count) for count in written], usual=USUAL_RATE, least=LEAST_RATE)


def _beside(shards: Sequence[Work]) -> Range | None:
    """Time beside writing, as a share of it; None before two shards tell."""
    if len(shards) < 2:
        return None
    busy = joined(_span(shard) for shard in shards)
    whole = joined((_span(shard)[0], _committed(shard)) for shard in shards)
    seconds = math.fsum(end - start for start, end in busy)
    pauses = [later[0] - earlier[1] for earlier, later in pairwise(whole)]
    waited = math.fsum(pause for pause in pauses if pause <= PAUSE.total_seconds())
    beside = math.fsum(end - start for start, end in whole) + waited - seconds
    share = max(0.0, beside) / seconds
    error = max(USUAL_PAUSES / math.sqrt(len(shards)), LEAST_PAUSES)
    return within(share, error)


def _committed(shard: Work) -> float:
    """When a shard was committed; when it was written, where somebody accepted it long after."""
    written, committed = _span(shard)[1], shard.committed_at.timestamp()
    return committed if 0 <= committed - written <= PAUSE.total_seconds() else written


def _span(shard: Work) -> Span:
    start, end = shard.written or (shard.committed_at, shard.committed_at)
    return start.timestamp(), max(end.timestamp(), start.timestamp() + 1e-3)


def _at_most(value: Range, most: float) -> Range:
    return Range(low=min(value.low, most), likely=min(value.likely, most), high=min(value.high, most))


def _at_least(value: Range, least: float) -> Range:
    return Range(low=max(value.low, least), likely=max(value.likely, least), high=max(value.high, least))
