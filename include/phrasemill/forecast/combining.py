"""Combining ranges: independent swings add as squares of their logarithms, so that not every extreme meets.

Ten figures that may each be 10 % off are not all off the same way at once: their product is about 35 % off, not 160 %.
"""

import math
from collections.abc import Iterable

from phrasemill.ranges import Range

NOTHING = 1e-100  # what is less has no ratio that a float holds


def combined(likely: float, swings: Iterable[tuple[float, float]]) -> Range:
    """A range around the likely value from swings that are independent of each other.

    Each swing is the value with one figure at its low and at its high, all others likely. Below and above the likely
    value apart, the logarithms of the ratios to it are added as squares, and the root of each sum is taken.
    """
    if likely < NOTHING:
        ends = [end for swing in swings for end in swing]
        return Range(low=min([likely, *ends]), likely=likely, high=max([likely, *ends]))
    below = above = 0.0
    for swing in swings:
        logs = [math.log(max(end, NOTHING) / likely) for end in swing]
        below += min(0.0, *logs) ** 2
        above += max(0.0, *logs) ** 2
    return Range(low=likely * math.exp(-math.sqrt(below)), likely=likely, high=likely * math.exp(math.sqrt(above)))


def quotient(above: Range, below: Range) -> Range:
    """One independent range over another."""
    likely = above.likely / below.likely
    return combined(
        likely,
        [
            (above.low / below.likely, above.high / below.likely),
            (above.likely / below.high, above.likely / below.low),
        ],
    )


def product(one: Range, other: Range) -> Range:
    """Two independent ranges, multiplied."""
    likely = one.likely * other.likely
    swings = [(one.low * other.likely, one.high * other.likely), (one.likely * other.low, one.likely * other.high)]
    return combined(likely, swings)
