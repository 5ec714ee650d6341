"""The plot of a tuning run: phrases a second over prompts in flight, as an SVG whose text stays text."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phrasemill.serving.errors import ServingError
from phrasemill.serving.tune_plan import engines_in_words
from phrasemill.serving.tune_race import rates
from phrasemill.serving.tune_record import Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (3.6, 3.2)

Point = tuple[Measurement, float]
"""A measurement and its phrases a second."""


class PlotUnavailable(ServingError):
    """matplotlib is not installed here."""


def plot_tuning(measurements: Sequence[Measurement], *, best: Measurement, title: str, path: Path) -> None:
    """Write the plot: a row for each heat, a panel for each number of engines, a line for each list size.

    A candidate is shown with its longest measurement; hollow marks are of windows shorter than the best's.

    Raises:
        PlotUnavailable: matplotlib is missing.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - takes 0.5 s, and GPU machines may lack it
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotUnavailable("no plot is drawn: matplotlib is not installed; pip install matplotlib") from error
    points = longest(measurements)
    heats = list(dict.fromkeys(one.candidate.heat for one, _ in points))
    counts = sorted({one.candidate.engines_per_gpu for one, _ in points})
    width, height = PANEL_INCHES
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "phrasemill", "font.size": 8}):
        figure = Figure(figsize=(max(width * len(counts), 7), height * len(heats) + 0.6), layout="constrained")
        panels = figure.subplots(len(heats), len(counts), sharex=True, sharey=True, squeeze=False)
        panels[0][0].set_ylim(0, 1.15 * max(rate for _, rate in points))
        colours = {size: f"C{number % 10}" for number, size in enumerate(sorted(_sizes(points)))}
        for row, heat in enumerate(heats):
            panels[row][0].set_ylabel("accepted phrases/s")
            for column, count in enumerate(counts):
                here = [
                    (one, rate)
                    for one, rate in points
                    if one.candidate.heat == heat and one.candidate.engines_per_gpu == count
                ]
                if here:
                    _draw_panel(panels[row][column], here, best=best, colours=colours)
        for panel in panels[-1]:
            panel.set_xlabel("prompts in flight an engine")
        hollow = any(one.window_s < best.window_s for one, _ in points)
        figure.suptitle(f"{title}\n(hollow: measured over less than {best.window_s:g} s)" if hollow else title)
        figure.savefig(path, format="svg", metadata={"Date": None, "Title": title})


def longest(measurements: Sequence[Measurement]) -> list[Point]:
    """Each candidate with its longest measurement that succeeded, in order of in_flight."""
    points: dict[object, Point] = {}
    for one, rate in zip(measurements, rates(measurements), strict=True):
        kept = points.get(one.candidate)
        if not one.failed and (kept is None or kept[0].window_s <= one.window_s):
            points[one.candidate] = (one, rate)
    return sorted(points.values(), key=lambda point: point[0].candidate.in_flight)


def _sizes(points: Sequence[Point]) -> set[int]:
    return {one.candidate.list_size for one, _ in points}


def _draw_panel(panel: "Axes", points: Sequence[Point], *, best: Measurement, colours: dict[int, str]) -> None:
    """Draw the candidates of one heat with the same number of engines."""
    candidate = points[0][0].candidate
    words = [engines_in_words(candidate.engines_per_gpu), f"{candidate.max_num_seqs} sequences"]
    words += [f"n {candidate.n}"] if candidate.n > 1 else []
    words += [candidate.quantization] if candidate.quantization else []
    panel.set_title(", ".join(words))
    panel.margins(x=0.15)
    panel.grid(alpha=0.3)
    for size in sorted(_sizes(points)):
        line = [(one, rate) for one, rate in points if one.candidate.list_size == size]
        colour = colours[size]
        panel.plot([one.candidate.in_flight for one, _ in line], [rate for _, rate in line], color=colour, alpha=0.6)
        for one, rate in line:
            inside = colour if one.window_s >= best.window_s else "white"
            panel.plot(one.candidate.in_flight, rate, "o", color=colour, markerfacecolor=inside)
        panel.plot([], [], "o-", color=colour, label=f"lists of {size}")
    for one, rate in points:
        if one.candidate == best.candidate:
            place = (one.candidate.in_flight, rate)
            panel.annotate(f"best: {rate:.1f}", place, (0, 7), textcoords="offset points", ha="center", weight="bold")
    panel.legend(loc="lower right")
