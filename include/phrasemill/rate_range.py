"""How fast something goes, and how well that is known: a rate with its range, from stretches of time that were counted.

The likely rate is all that was counted over all the time. The range is that rate divided and multiplied by 1 + e, so
that it never reaches 0:

    e = 2 max(s / sqrt(k), 1 / sqrt(N), least)
    s^2 = (usual^2 + (k - 1) v) / k

k is the number of stretches (of equal length; else the effective number, (sum t)^2 / sum t^2), v the variance of their
rates, weighted by time, over the square of the mean rate, and N what was counted. Two standard errors hold 95 % of
what chance does. `usual` is the spread that such stretches are known to have: it counts as one stretch, so that one or
two of them do not pass for certainty. 1 / sqrt(N) is the error of counting (Poisson). `least` is what no number of
stretches takes away: that tomorrow differs from today.
"""

import math
from collections.abc import Sequence

from phrasemill.ranges import Range

SIGMAS = 2.0


def rate_range(stretches: Sequence[tuple[float, float]], *, usual: float, least: float = 0.0) -> Range | None:
    """The rate over some stretches, each given as its length (s) and what was counted in it.

    Args:
        stretches: those without length are left out.
        usual: standard deviation of such a stretch's rate, as a share of the rate.
        least: standard error that stays however many stretches there are, as a share of the rate.

    Returns:
        A second; None where nothing was counted.
    """
    timed = [(seconds, counted) for seconds, counted in stretches if seconds > 0]
    seconds, counted = (math.fsum(column) for column in zip(*timed, strict=True)) if timed else (0.0, 0.0)
    if counted <= 0:
        return None
    rate = counted / seconds
    number = seconds**2 / math.fsum(length**2 for length, _ in timed)
    spread = relative_spread([(count / length, length) for length, count in timed], usual=usual)
    return within(rate, SIGMAS * max(spread / math.sqrt(number), 1 / math.sqrt(counted), least))


def mean_range(values: Sequence[tuple[float, float]], *, usual: float, least: float = 0.0) -> Range | None:
    """The mean of some values above 0, each given with its weight, by the same rule but for the error of counting.

    None without weight, or where the mean is 0.
    """
    weighed = [(value, weight) for value, weight in values if weight > 0]
    whole = math.fsum(weight for _, weight in weighed)
    mean = math.fsum(value * weight for value, weight in weighed) / whole if whole else 0.0
    if mean <= 0:
        return None
    number = whole**2 / math.fsum(weight**2 for _, weight in weighed)
    return within(mean, SIGMAS * max(relative_spread(weighed, usual=usual) / math.sqrt(number), least))


def within(value: float, error: float) -> Range:
    """A value, divided and multiplied by 1 + error."""
    return Range(low=value / (1 + error), likely=value, high=value * (1 + error))


def relative_spread(values: Sequence[tuple[float, float]], *, usual: float) -> float:
    """Standard deviation of weighted values over their mean; `usual` counts as one value more."""
    whole = math.fsum(weight for _, weight in values)
    mean = math.fsum(value * weight for value, weight in values) / whole
    number = whole**2 / math.fsum(weight**2 for _, weight in values)
    # Over number - 1 the mean of squares estimates the variance; the two cancel in the formula above.
    squares = math.fsum(weight * (value - mean) ** 2 for value, weight in values) / whole / mean**2
    return math.sqrt((usual**2 + number * squares) / number)
