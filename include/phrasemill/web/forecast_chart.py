"""The forecast's chart: calendar time against engines on a GPU, one line a model, on a logarithmic axis. Pure.

Drawn here and in a template, without matplotlib, which takes half a second to import and 100 ms a figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from phrasemill.forecast import plot
from phrasemill.forecast.plot import TICKS, Curve
from phrasemill.forecast.question import Evidence, Question
from phrasemill.forecast.words import time_words
from phrasemill.ranges import Range

LEFT, RIGHT, TOP, BOTTOM = 66, 104, 14, 44
LINE_HEIGHT = 15
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A model's line, and the height of its name at the end of it."""

    model: str
    points: tuple[Point, ...]
    label_y: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the drawing has, in its own units."""

    width: int
    height: int
    lines: tuple[Line, ...]
    band: tuple[Point, ...]
    """Around what the chosen model may take, from its low to its high."""
    mark: Point
    """The present choice."""
    times: tuple[tuple[float, str], ...]
    engines: tuple[tuple[float, int], ...]

    @property
    def right(self) -> int:
        """Where the axes end and names begin."""
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        """Where the axis of engines lies."""
        return self.height - BOTTOM


@lru_cache(maxsize=256)
def curves(question: Question, evidence: Evidence) -> tuple[Curve, ...]:
    """How long the question takes with each model of the book, over engines; 30 forecasts, 40 ms."""
    return plot.curves(question, evidence=evidence)


def draw(lines: Sequence[Curve], *, chosen: str, mark: tuple[float, Range], width: int, height: int) -> Chart:
    """The chart of some curves.

    Args:
        lines: at least one.
        chosen: the model that stands out.
        mark: engines on a GPU and calendar time of the present choice.
        width: of the drawing.
        height: of the drawing.
    """
    counts = sorted({count for line in lines for count, _ in line.points})
    most = max(*counts, math.ceil(mark[0]), 2)
    ends = [end for line in lines for _, time in line.points for end in (time.low, time.high)]
    ends += [mark[1].likely]
    least, longest = min(ends) / 1.15, max(ends) * 1.15

    def x(engines: float) -> float:
        return round(LEFT + (width - LEFT - RIGHT) * (engines - 1) / (most - 1), 1)

    def y(seconds: float) -> float:
        share = math.log(seconds / least) / math.log(longest / least)
        return round(height - BOTTOM - (height - TOP - BOTTOM) * share, 1)

    heights = _apart({line.model: y(line.points[-1][1].likely) for line in lines}, bottom=height - BOTTOM)
    drawn = [
        Line(
            line.model,
            tuple((x(count), y(time.likely)) for count, time in line.points),
            heights[line.model],
            line.model == chosen,
        )
        for line in lines
    ]
    ours = next((line.points for line in lines if line.model == chosen), ())
    band = [(x(count), y(time.high)) for count, time in ours] + [(x(count), y(time.low)) for count, time in ours[::-1]]
    return Chart(
        width=width,
        height=height,
        lines=tuple(sorted(drawn, key=lambda line: line.chosen)),  # the chosen one over the others
        band=tuple(band),
        mark=(x(mark[0]), y(mark[1].likely)),
        times=tuple((y(seconds), words) for words, seconds in TICKS.items() if least <= seconds <= longest),
        engines=tuple((x(count), count) for count in range(1, most + 1)),
    )


def as_table(lines: Sequence[Curve]) -> tuple[list[int], list[tuple[str, list[str]]]]:
    """The same in words: numbers of engines, and models with their times at each; empty where there is none."""
    counts = sorted({count for line in lines for count, _ in line.points})
    rows = []
    for line in lines:
        times = dict(line.points)
        rows.append((line.model, [time_words(times[count]) if count in times else "" for count in counts]))
    return counts, rows


def _apart(wanted: Mapping[str, float], *, bottom: float) -> dict[str, float]:
    """Heights of names, near to those wanted and a line's height from each other."""
    placed: dict[str, float] = {}
    last = float(TOP - LINE_HEIGHT)
    for name, height in sorted(wanted.items(), key=lambda one: one[1]):
        placed[name] = last = max(height, last + LINE_HEIGHT)
    limit = bottom
    for name in reversed(list(placed)):
        placed[name] = limit = min(placed[name], limit)
        limit -= LINE_HEIGHT
    return {name: round(height, 1) for name, height in placed.items()}
