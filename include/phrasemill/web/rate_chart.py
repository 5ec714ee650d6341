"""Rate over time as a drawing, from the index's lines alone. Pure; matplotlib would take longer than the whole page.

Time in which nobody wrote is cut out: 20 nights of six hours would be a comb with teeth too thin to see.
"""

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phrasemill.report.words import decimal, moment
from phrasemill.report.work import STRETCHES_S

IDLE_S = 1800.0
"""A pause longer than this is cut out of the axis."""
STEPS = 160
"""Steps over the whole axis, about four pixels each; every stretch of work has one at least."""
LABELS = 6
WIDTH, HEIGHT = 1000.0, 100.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """Some phrases and when they were written: evenly between start and end, in seconds since 1970."""

    start: float
    end: float
    phrases: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a stretch of work begins, in per cent of the axis, and the day on which it does."""

    at: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class RateChart:
    """Paths in a box of WIDTH x HEIGHT, labels of both axes, and the same in words."""

    line: str
    area: str
    breaks: str
    top: str
    middle: str
    marks: tuple[Mark, ...]
    description: str


def rate_chart(spans: Iterable[Span]) -> RateChart | None:
    """Phrases a second over the time in which some were written, all shards together; None without such a time."""
    known = sorted((span for span in spans if span.end > span.start and span.phrases), key=lambda span: span.start)
    if not known:
        return None
    table = np.array([(span.start, span.end, span.phrases) for span in known])
    stretches = _stretches(known)
    step = _step(sum(end - start for start, end in stretches))
    rates = [_rates(table, start, end, step) for start, end in stretches]
    highest = max(float(stretch.max()) for stretch in rates)
    top = _round_up(highest)
    scale = WIDTH / sum(len(stretch) for stretch in rates)
    line, area, breaks, begins, x = [], [], [], [], 0.0
    for stretch in rates:
        steps = _path(stretch, x, scale, top)
        begins.append(x)
        if x:
            breaks.append(f"M{x:.1f} 0V{HEIGHT:g}")
        line.append(steps)
        x += len(stretch) * scale
        area.append(f"M{begins[-1]:.1f} {HEIGHT:g}L{steps[1:]}V{HEIGHT:g}Z")
    return RateChart(
        line="".join(line),
        area="".join(area),
        breaks="".join(breaks),
        top=f"{top:,g}",
        middle=f"{top / 2:,g}",
        marks=_marks(stretches, begins),
        description=_words(table, stretches, highest),
    )


def _stretches(spans: Sequence[Span]) -> list[tuple[float, float]]:
    """Times of work, a pause longer than IDLE_S apart; `spans` are sorted by their starts."""
    stretches = [(spans[0].start, spans[0].end)]
    for span in spans[1:]:
        start, end = stretches[-1]
        if span.start > end + IDLE_S:
            stretches.append((span.start, span.end))
        else:
            stretches[-1] = (start, max(end, span.end))
    return stretches


def _step(seconds: float) -> float:
    return next((size for size in STRETCHES_S if seconds / size <= STEPS), math.ceil(seconds / STEPS))


def _rates(table: Floats, start: float, end: float, step: float) -> Floats:
    """Phrases a second in equal steps from start to end; the steps of a short stretch are shorter, never longer."""
    edges = np.linspace(start, end, max(1, math.ceil((end - start) / step)) + 1)
    near = table[(table[:, 0] < end) & (table[:, 1] > start)]
    begins, ends, phrases = near.T
    done = (np.clip((edges[:, None] - begins) / (ends - begins), 0, 1) * phrases).sum(axis=1)
    rates: Floats = np.diff(done) / np.diff(edges)
    return rates


def _path(rates: Floats, x: float, scale: float, top: float) -> str:
    heights = HEIGHT * (1 - rates / top)
    parts = [f"M{x:.1f} {heights[0]:.1f}"]
    for number, height in enumerate(heights.tolist()):
        parts.append(f"{f'V{height:.1f}' if number else ''}H{x + (number + 1) * scale:.1f}")
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 or 10 times a power of ten: half of each is short in words too."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(size * power for size in (1, 2, 4, 5, 8, 10) if size * power >= value * 0.999)


def _marks(stretches: Sequence[tuple[float, float]], begins: Sequence[float]) -> tuple[Mark, ...]:
    """At most LABELS days, so far apart that they do not run into each other."""
    room, marks = 100.0 / LABELS, list[Mark]()
    for (start, _), x in zip(stretches, begins, strict=True):
        at = 100 * x / WIDTH
        label = f"{dt.datetime.fromtimestamp(start, dt.UTC):%b %d}"
        if not marks or (at >= marks[-1].at + room and label != marks[-1].label):
            marks.append(Mark(round(at, 2), label, "end" if at > 100 - room / 2 else "start"))
    return tuple(marks)


def _words(table: Floats, stretches: Sequence[tuple[float, float]], highest: float) -> str:
    seconds = sum(end - start for start, end in stretches)
    first, last = (dt.datetime.fromtimestamp(time, dt.UTC) for time in (stretches[0][0], stretches[-1][1]))
    return (
        f"Phrases a second from {moment(first)} to {moment(last)}, in {len(stretches)} "
        f"stretch{'' if len(stretches) == 1 else 'es'} of work: {decimal(float(table[:, 2].sum()) / seconds)} "
        f"on average, {decimal(highest)} at most."
    )
