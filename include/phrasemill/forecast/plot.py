"""Plots of forecasts on a log axis of time: against engines and models, and of cases side by side. PNG or SVG."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phrasemill.forecast.answer import Forecast
from phrasemill.forecast.book import Book, BookError, shipped_book
from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, ForecastError, Question
from phrasemill.range_words import DAY_S, HOUR_S, MINUTE_S, YEAR_S
from phrasemill.ranges import Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENGINES = (1, 2, 3, 4, 6, 8)
"""On each GPU. More than eight were never measured, and four fill an H100."""
FORMATS = {".png": "png", ".svg": "svg"}
TICKS = {
    **{"1 s": 1.0, "10 s": 10.0, "30 s": 30.0, "1 min": MINUTE_S, "3 min": 3 * MINUTE_S, "10 min": 10 * MINUTE_S},
    **{"30 min": 30 * MINUTE_S, "1 h": HOUR_S, "2 h": 2 * HOUR_S, "4 h": 4 * HOUR_S, "8 h": 8 * HOUR_S},
    **{"1 day": DAY_S, "2 days": 2 * DAY_S, "4 days": 4 * DAY_S, "10 days": 10 * DAY_S, "20 days": 20 * DAY_S},
    **{"50 days": 50 * DAY_S, "100 days": 100 * DAY_S, "200 days": 200 * DAY_S},
    **{f"{years:g} years".replace("1 years", "1 year"): years * YEAR_S for years in (1, 2, 4, 10, 20, 40, 100, 1000)},
}
MOST_TICKS = 8
LABEL_CHARS, TITLE_CHARS = 38, 100
TIME_AXIS = "calendar time until the last phrase (log scale)"
KINDS = ("as first estimated", "corrected", "with measured rates", "compared")
COLOURS = dict(zip(KINDS, ("#999999", "#c25e00", "#1f6fb4", "#1f6fb4"), strict=True))
CASE_INCHES = 0.34


class PlotError(ForecastError):
    """A plot cannot be drawn: matplotlib is missing, the file's name has no known ending, or it cannot be written."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Calendar time (s) of one model over engines on each GPU."""

    model: str
    points: tuple[tuple[int, Range], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """Calendar time (s) of one case."""

    label: str
    kind: str
    """One of KINDS."""
    seconds: Range


def curves(question: Question, *, evidence: Evidence = NO_EVIDENCE, book: Book | None = None) -> tuple[Curve, ...]:
    """Each model of the book on the question's class of GPU, over ENGINES; what the book has no rate of is left out.

    On a CPU one engine keeps every core busy, so there is one point. `evidence` holds for the question's own model.
    """
    book = book or shipped_book()
    own = book.model_name(question.model)
    found = []
    for model in book.models:
        points: list[tuple[int, Range]] = []
        for engines in ENGINES[:1] if question.gpu == "cpu" else ENGINES:
            changes = {"model": model, "engines_per_gpu": engines, "streams": None, "tokens_per_s_per_stream": None}
            try:
                answer = forecast(
                    question.model_copy(update=changes), evidence=evidence if model == own else NO_EVIDENCE, book=book
                )
            except BookError:
                continue
            points.append((engines, answer.elapsed_s))
        if points:
            found.append(Curve(model, tuple(points)))
    return tuple(found)


def plot_engines(lines: Sequence[Curve], answer: Forecast, *, question: Question, title: str, path: Path) -> None:
    """Draw calendar time against engines, a line and a band (low to high) for each model; the answer is a star.

    Raises:
        PlotError: it cannot be drawn or written.
    """
    if not lines:
        raise PlotError(f"no plot is drawn: the book has no rate of any model on {question.gpu}; leave out --plot")
    with _figure(path, (8.0, 5.0), title) as figure:
        axes = figure.subplots()
        for number, line in enumerate(lines):
            engines = [count for count, _ in line.points]
            colour = f"C{number}"
            axes.plot(engines, [time.likely for _, time in line.points], "o-", color=colour, label=_plain(line.model))
            low, high = ([getattr(time, end) for _, time in line.points] for end in ("low", "high"))
            if len(engines) > 1:
                axes.fill_between(engines, low, high, color=colour, alpha=0.1, linewidth=0)
            else:
                axes.vlines(engines, low, high, color=colour, alpha=0.3, linewidth=5)
        if answer.engines is not None:
            own = (answer.engines / question.gpus, answer.elapsed_s.likely)
            axes.plot(*own, "*", color="black", markerfacecolor="none", markersize=16, label="this question")
        drawn = [end for line in lines for _, time in line.points for end in (time.low, time.high)]
        _time_ticks(axes, "y", drawn)
        axes.set_xticks(sorted({count for line in lines for count, _ in line.points}))
        axes.set_xlabel("engines on each GPU" if question.gpu != "cpu" else "engines on the machine")
        axes.set_ylabel(TIME_AXIS)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right center", title="model (band: low to high)")


def plot_cases(bars: Sequence[Bar], *, title: str, path: Path) -> None:
    """Draw the calendar time of each case: a dot at the likely value, a bar from low to high.

    Raises:
        PlotError: it cannot be drawn or written.
    """
    with _figure(path, (9.0, 1.4 + CASE_INCHES * len(bars)), title) as figure:
        axes = figure.subplots()
        told: set[str] = set()
        for row, bar in enumerate(bars):
            label = None if bar.kind in told else bar.kind
            told.add(bar.kind)
            colour = COLOURS[bar.kind]
            axes.plot([bar.seconds.low, bar.seconds.high], [row, row], color=colour, linewidth=5, alpha=0.35)
            axes.plot(bar.seconds.likely, row, "o", color=colour, label=label)
        axes.set_yticks(range(len(bars)), [textwrap.fill(_plain(bar.label), LABEL_CHARS) for bar in bars])
        axes.invert_yaxis()
        _time_ticks(axes, "x", [end for bar in bars for end in (bar.seconds.low, bar.seconds.high)])
        axes.set_xlabel(TIME_AXIS)
        axes.grid(alpha=0.3, axis="x")
        figure.legend(loc="outside lower center", ncols=len(told))


@contextmanager
def _figure(path: Path, inches: tuple[float, float], title: str) -> Iterator["Figure"]:
    """A figure with a title that is written to the file at the end; the same figure gives the same bytes."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise PlotError(f"{path}: a plot is a PNG or an SVG file; let its name end in .png or .svg")
    try:
        import matplotlib as mpl  # noqa: PLC0415 - takes 0.5 s, and GPU machines may lack it
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotError("no plot is drawn: matplotlib is not installed; pip install matplotlib") from error
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "phrasemill", "font.size": 9}):
        figure = Figure(figsize=inches, layout="constrained", dpi=120)
        figure.suptitle(textwrap.fill(_plain(title), TITLE_CHARS), fontsize=10)
        yield figure
        metadata = {"Date": None, "Title": title} if form == "svg" else {"Title": title}
        try:
            figure.savefig(path, format=form, metadata=metadata)
        except OSError as error:
            raise PlotError(
                f"{path}: cannot be written ({error.strerror}); name a file in a folder of yours"
            ) from error


def _time_ticks(axes: "Axes", which: str, seconds: Sequence[float]) -> None:
    """A log axis of seconds whose ticks are minutes, hours, days and years."""
    low, high = min(seconds) / 1.3, max(seconds) * 1.3
    within: dict[str, float] = {}
    for name, at in TICKS.items():
        nearest = max(within.values(), default=0.0)
        if low <= at <= high and (not nearest or math.log(at / nearest) >= math.log(high / low) / MOST_TICKS):
            within[name] = at
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_xticks(list(within.values()), list(within))
        axes.set_xticks([], minor=True)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.set_yticks(list(within.values()), list(within))
        axes.set_yticks([], minor=True)


def _plain(text: str) -> str:
    """Text in which no dollar begins a formula."""
    return text.replace("$", r"\$")
