"""Figures of a calibration: from counts at the ends of a window's parts, and from shards alone, to rates. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise

from phrasemill.forecast.calibration import WindowPart
from phrasemill.ranges import Range
from phrasemill.rate_range import SIGMAS, mean_range, rate_range, within
from phrasemill.serving.tune_counts import Counts

USUAL_PART = 0.1
"""Spread of the rates of parts: four longer runs in turns on one engine were 6 % apart (docs/benchmarks.md)."""
LEAST_RATE = 0.02  # standard error of a rate that no window takes away: clocks, neighbours, another hour
ALONE_RUNS = 3  # shards alone that are measured at most
USUAL_DRAIN = 0.3  # of what filling and draining take: a few re-asks more or less in a row


def steady_rate(counts: Sequence[Counts]) -> Range | None:
    """Accepted phrases a second over the window, with its range from the parts; None if none was accepted.

    The rate is the engines' tokens a second times the accepted phrases a token since the ramp began: what is counted
    in a window is off by as much as is in flight. Where an engine has no counter, or failed on a list (its tokens are
    then lost), what was counted stands. The error of the tokens' rate and that of counting phrases, 1 / sqrt(accepted),
    are independent.
    """
    last = counts[-1]
    parts = window_parts(counts)
    if not last.accepted:
        return None
    counted = rate_range([(part.seconds, part.accepted) for part in parts], usual=USUAL_PART, least=LEAST_RATE)
    tokens = [(part.seconds, part.tokens) for part in parts if part.tokens is not None]
    if len(tokens) < len(parts) or last.faults or not last.completion_tokens:
        return counted
    written = rate_range(tokens, usual=USUAL_PART, least=LEAST_RATE)
    if written is None:
        return counted
    counting = SIGMAS / math.sqrt(last.accepted)
    rate = written.times(last.accepted / last.completion_tokens)
    return within(rate.likely, math.hypot(rate.high / rate.likely - 1, counting))


def window_parts(counts: Sequence[Counts]) -> list[WindowPart]:
    """What happened between one count and the next; tokens by the engines' own clocks, which differ a little."""
    parts = []
    for begin, end in pairwise(counts):
        seconds = max(end.at - begin.at, 1e-6)
        tokens = None
        if begin.engines and end.engines:
            pairs = zip(begin.engines, end.engines, strict=True)
            rates = ((last.tokens - first.tokens) / max(last.at - first.at, 1e-6) for first, last in pairs)
            tokens = sum(rates) * seconds
        parts.append(WindowPart(seconds=seconds, accepted=end.accepted - begin.accepted, tokens=tokens))
    return parts


def alone_fits(alone: Sequence[float], *, needed: float, window_s: float) -> bool:
    """Whether one shard more is measured alone: the first if it fits into a window's time, others into half of one.

    Args:
        alone: seconds that those before took.
        needed: seconds that the first will take.
        window_s: length of the window.
    """
    if not alone:
        return needed <= window_s
    return len(alone) < ALONE_RUNS and sum(alone) + alone[-1] <= window_s / 2


def drain_of(alone: Sequence[float], phrases: int, steady: Range) -> Range | None:
    """Seconds that shards alone took beyond their phrases at the steady rate, not less than 0; None without any."""
    beyond = [(seconds - phrases / steady.likely, 1.0) for seconds in alone]
    drain = mean_range(beyond, usual=USUAL_DRAIN)
    return drain or (Range.exactly(0) if alone else None)


def one_after_the_other(phrases: int, steady: Range, drain: Range | None) -> Range:
    """The rate of whole shards: their phrases at the steady rate, and filling and draining on top."""
    if drain is None or not drain.high:
        return steady
    low, likely, high = (
        phrases / (phrases / rate + lost)
        for rate, lost in zip(
            (steady.low, steady.likely, steady.high), (drain.high, drain.likely, drain.low), strict=True
        )
    )
    return Range(low=low, likely=likely, high=high)
