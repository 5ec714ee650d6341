"""The plots of reports, drawn by matplotlib. Pure: figures in, SVG elements out, the same every time.

matplotlib takes half a second to import, so it is imported when something is drawn and not before.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phrasemill.report.corpus_figures import HeapsFit, ZipfFit
from phrasemill.report.summary import Lengths, RateLine, ShardLine
from phrasemill.report.svg import COLOURS, svg_of
from phrasemill.report.words import decimal, moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, SMALL_WIDTH, SMALL_HEIGHT = 460, 220, 300, 132
POINTS_PER_INCH = 72
MAX_BARS = 46
LEAST_ROOM = 0.1  # of the value, above and below a trend: what hardly changes shall look so
MARKED_NIGHTS = 40  # a line of more points needs no marks
STYLE: dict[Any, Any] = {
    "axes.edgecolor": COLOURS["soft"],
    "axes.facecolor": "none",
    "axes.labelcolor": COLOURS["soft"],
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.labelsize": 12,
    "figure.facecolor": "none",
    "font.size": 12,
    "grid.color": COLOURS["line"],
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "phrasemill",
    "text.color": COLOURS["ink"],
    "text.parse_math": False,
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}


@contextlib.contextmanager
def _figure(width: int = WIDTH, height: int = HEIGHT) -> "Iterator[tuple[Figure, Axes]]":
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), layout="constrained")
        axes = figure.subplots()
        axes.grid(axis="y")
        yield figure, axes


def _finish(figure: "Figure", *, title: str, description: str, css_class: str = "plot") -> str:
    for artist in figure.findobj():
        artist.set_clip_on(False)  # clip paths need identifiers, and ours never reach beyond their axes
    return svg_of(figure, title=title, description=description, css_class=css_class)


def rate_plot(rates: Sequence[RateLine]) -> str:
    """Phrases a second over time, as steps."""
    dates = _dates()
    values = [line.phrases_per_second for line in rates]
    edges = [dates.date2num(line.start) for line in rates]
    edges.append(edges[-1] + rates[-1].seconds / 86_400)
    with _figure() as (figure, axes):
        axes.stairs(values, edges, fill=True, color=COLOURS["wash"], linewidth=0)
        axes.stairs(values, edges, color=COLOURS["accent"], linewidth=1.6, baseline=None)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0)
        axes.yaxis.set_major_formatter(_numbers())
        axes.yaxis.get_major_locator().set_params(nbins=5)  # type: ignore[call-arg]
        _time_ticks(axes, (edges[-1] - edges[0]) * 86_400)
        axes.set_xlabel(f"UTC, from {moment(rates[0].start).removesuffix(' UTC')}")
        return _finish(
            figure,
            title="Phrases a second over time",
            description=f"From {moment(rates[0].start)} on, {rates[0].seconds:g} seconds a step; "
            f"between {decimal(min(values))} and {decimal(max(values))} phrases a second.",
        )


def length_plot(lengths: Lengths) -> str:
    """A histogram of characters a phrase, with the median and the range of nine in ten."""
    width, start, bars = _bars(lengths.histogram)
    with _figure() as (figure, axes):
        lefts = start + width * np.arange(len(bars))
        inner = max(0.4, 0.9 * width)
        axes.axvspan(lengths.p05 - 0.5, lengths.p95 + 0.5, color=COLOURS["wash"], linewidth=0, alpha=0.5)
        axes.bar(lefts + (width - 1) / 2, bars, width=inner, color=COLOURS["accent"], linewidth=0)
        axes.axvline(lengths.median, color=COLOURS["second"], linewidth=1.6, dashes=(4, 3))
        axes.margins(x=0.01)
        axes.yaxis.set_major_formatter(_numbers())
        axes.yaxis.get_major_locator().set_params(nbins=4)  # type: ignore[call-arg]
        axes.set_xlabel(f"characters a phrase, {width} to a bar" if width > 1 else "characters a phrase")
        return _finish(
            figure,
            title="Histogram of characters a phrase",
            description=f"{lengths.shortest} to {lengths.longest} characters; median {lengths.median}; "
            f"nine in ten have {lengths.p05} to {lengths.p95}.",
        )


def _bars(histogram: Mapping[int, int]) -> tuple[int, int, list[int]]:
    """Bars of a round width, so many that they still show a shape: width, start of the first, phrases in each."""
    low, high = min(histogram), max(histogram)
    widths = (step * 10**power for power in count() for step in (1, 2, 5))
    width = next(width for width in widths if high // width - low // width < MAX_BARS)
    start = low // width * width
    bars = [0] * (high // width - low // width + 1)
    for length, phrases in histogram.items():
        bars[(length - start) // width] += phrases
    return width, start, bars


def trend_plot(name: str, labels: Sequence[str], values: Sequence[float | None], show: Callable[[float], str]) -> str:
    """One figure over nights; nights without it are left out."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    places, heights = [place for place, _ in known], [value for _, value in known]
    with _figure(SMALL_WIDTH, SMALL_HEIGHT) as (figure, axes):
        marker = "o" if len(known) <= MARKED_NIGHTS else ""
        axes.plot(places, heights, color=COLOURS["accent"], linewidth=1.8, marker=marker, markersize=4)
        axes.plot(places[-1:], heights[-1:], color=COLOURS["second"], marker="o", markersize=7, markeredgewidth=0)
        low, high = min(heights), max(heights)
        room = max((high - low) * 0.25, abs(high) * LEAST_ROOM) or 1.0
        axes.set_ylim(max(0.0, low - room) if low >= 0 else low - room, high + room)
        apart = high - low > room  # else two labels would lie on each other
        ticks = {show(value): value for value in ((low, high) if apart else heights[-1:])}
        axes.set_yticks(list(ticks.values()), list(ticks))
        axes.set_xlim(-0.3, len(labels) - 0.7)
        ends = sorted({0, len(labels) - 1})
        axes.set_xticks(ends, [labels[place] for place in ends])
        first, *last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        for tick in last:
            tick.set_horizontalalignment("right")
        return _finish(
            figure,
            title=f"{name}, night by night",
            description=f"{len(known)} nights, {labels[places[0]]} to {labels[places[-1]]}: from {show(heights[0])} "
            f"to {show(heights[-1])}, lowest {show(low)}, highest {show(high)}.",
            css_class="plot small-plot",
        )


def growth_plot(shards: Sequence[ShardLine], *, target: int) -> str:
    """Committed phrases over time, towards the target."""
    dates = _dates()
    ordered = sorted(shards, key=lambda line: line.committed_at)
    times = [dates.date2num(line.committed_at) for line in ordered]
    phrases = np.cumsum([line.phrases for line in ordered])
    with _figure() as (figure, axes):
        axes.step([times[0], *times], [0, *phrases], where="post", color=COLOURS["accent"], linewidth=1.8)
        axes.axhline(target, color=COLOURS["second"], linewidth=1.4, dashes=(4, 3))
        axes.set_ylim(0, max(target, phrases[-1]) * 1.08)
        axes.yaxis.set_major_formatter(_numbers())
        axes.yaxis.get_major_locator().set_params(nbins=4)  # type: ignore[call-arg]
        _time_ticks(axes, (times[-1] - times[0]) * 86_400)
        axes.set_xlabel(f"UTC, from {ordered[0].committed_at:%Y-%m-%d}")
        return _finish(
            figure,
            title="Committed phrases over time",
            description=f"{phrases[-1]:,} phrases by {moment(ordered[-1].committed_at)}; the target is {target:,}.",
        )


def heaps_plot(fit: HeapsFit) -> str:
    """Different words against words read, with the fitted law."""
    words, different = (np.array(column) for column in zip(*fit.points, strict=True))
    return _law_plot(
        words,
        different,
        law=fit.k * words.astype(float) ** fit.beta,
        axes_named=("words read", "different words"),
        title="Growth of the vocabulary",
        description=f"{different[-1]:,} different words in {words[-1]:,}; Heaps' law with exponent {fit.beta:.2f}.",
    )


def zipf_plot(fit: ZipfFit) -> str:
    """Occurrences against rank, with the fitted law."""
    ranks, occurrences = (np.array(column) for column in zip(*fit.points, strict=True))
    return _law_plot(
        ranks,
        occurrences,
        law=np.clip(fit.c * ranks.astype(float) ** -fit.s, occurrences.min(), None),
        axes_named=("rank of the word", "occurrences"),
        title="Frequency of words by rank",
        description=f"The most frequent word occurs {occurrences[0]:,} times; Zipf's exponent is {fit.s:.2f}.",
    )


def _law_plot(
    across: npt.NDArray[Any],
    up: npt.NDArray[Any],
    *,
    law: npt.NDArray[Any],
    axes_named: tuple[str, str],
    title: str,
    description: str,
) -> str:
    """What was counted as a line, the law fitted to it as a broken one, on logarithmic axes."""
    with _log_figure(*axes_named) as (figure, axes):
        axes.plot(across, law, color=COLOURS["second"], linewidth=1.6, dashes=(4, 3))
        axes.plot(across, up, color=COLOURS["accent"], linewidth=2.2)
        return _finish(figure, title=title, description=description)


@contextlib.contextmanager
def _log_figure(across: str, up: str) -> "Iterator[tuple[Figure, Axes]]":
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    with _figure() as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_numbers())
            axis.set_minor_locator(NullLocator())
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        yield figure, axes


def _dates() -> Any:  # noqa: ANN401 - it has no types
    import matplotlib.dates  # noqa: PLC0415

    return matplotlib.dates


def _time_ticks(axes: "Axes", seconds: float) -> None:
    """Few ticks in UTC, as exact as an axis of so many seconds asks for."""
    form = "%H:%M:%S" if seconds < 900 else "%H:%M" if seconds < 172_800 else "%b %d"
    axes.xaxis.set_major_locator(_dates().AutoDateLocator(tz="UTC", minticks=2, maxticks=5))
    axes.xaxis.set_major_formatter(_dates().DateFormatter(form, tz="UTC"))


def _numbers() -> Any:  # noqa: ANN401
    """Tick labels such as 1,500 and 2.5M."""
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    def words(value: float, _: int | None) -> str:
        for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
            if abs(value) >= size:
                return f"{value / (1e3 if unit == 'k' else size):g}{unit}"
        return f"{value:,g}"

    return FuncFormatter(words)
