"""Plots of simulations: a corpus over time, and fleets of many sizes. PNG or SVG."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from phrasemill.forecast.plot import FORMATS
from phrasemill.range_words import time_unit
from phrasemill.simulation.outcome import Outcome
from phrasemill.simulation.question import Question, SimulationError
from phrasemill.simulation.sweep import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOW, THEN, LIMIT = "#c25e00", "#1f6fb4", "#999999"
MOST_POINTS = 2000
HOUR_S = 3600.0


@contextmanager
def figure(path: Path, *, title: str, inches: tuple[float, float] = (8.0, 4.6)) -> Iterator["Figure"]:
    """A figure with a title that is written to the file at the end; the same figure gives the same bytes.

    Raises:
        SimulationError: the file's name has no known ending, or it cannot be written.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise SimulationError(f"{path}: a plot is a PNG or an SVG file; let its name end in .png or .svg")
    import matplotlib as mpl  # noqa: PLC0415 - takes 0.5 s
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "phrasemill", "font.size": 9}):
        drawn = Figure(figsize=inches, layout="constrained", dpi=120)
        drawn.suptitle(title, fontsize=10)
        yield drawn
        try:
            drawn.savefig(path, format=form, metadata={"Date": None} if form == "svg" else None)
        except OSError as error:
            raise SimulationError(
                f"{path}: cannot be written ({error.strerror}); name a file in a folder of yours"
            ) from error


def plot_course(path: Path, *, question: Question, now: Outcome, then: Outcome | None, title: str) -> None:
    """Draw phrases committed over time, as it is and as it should be, beside what full engines would write.

    Raises:
        SimulationError: see `figure`.
    """
    unit_s, unit = time_unit(now.seconds)
    with figure(path, title=title) as drawn:
        axes = drawn.subplots()
        full_s = question.phrases / question.full_rate
        axes.plot([0, full_s / unit_s], [0, question.phrases / 1e6], "--", color=LIMIT, label="all engines full")
        for outcome, colour, label in ((then, THEN, "as advised"), (now, NOW, "as it is")):
            if outcome is not None:
                times, phrases = _course(outcome)
                axes.step([at / unit_s for at in times], phrases, where="post", color=colour, label=label)
        axes.set_xlabel(f"time, {unit}")
        axes.set_ylabel("phrases committed, millions")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")


def plot_sweep(path: Path, *, steps: Sequence[Step], title: str) -> None:
    """Draw hours and busy engines against GPUs, as it is and as it should be.

    Raises:
        SimulationError: see `figure`.
    """
    gpus = [step.gpus for step in steps]
    with figure(path, title=title, inches=(9.0, 4.2)) as drawn:
        hours, busy = drawn.subplots(1, 2)
        ideal = [step.place.question.phrases / step.place.question.full_rate / HOUR_S for step in steps]
        hours.plot(gpus, ideal, "--", color=LIMIT, label="all engines full")
        for label, colour, chosen in (
            ("as it is", NOW, [step.advice.now for step in steps]),
            ("as advised", THEN, [step.advice.then for step in steps]),
        ):
            hours.plot(gpus, [one.seconds / HOUR_S for one in chosen], "o-", color=colour, markersize=4, label=label)
            busy.plot(gpus, [100 * one.busy for one in chosen], "o-", color=colour, markersize=4)
        hours.set_yscale("log")
        hours.set_ylabel("hours")
        busy.set_ylabel("engines busy, %")
        busy.set_ylim(0, 102)
        for axes in (hours, busy):
            gpu_axis(axes, gpus)
        hours.legend()


def gpu_axis(axes: "Axes", gpus: Sequence[int]) -> None:
    """A log axis of GPUs with each number that was asked about."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(gpus, [str(count) for count in gpus])
    axes.set_xlabel("GPUs")
    axes.grid(alpha=0.3)


def _course(outcome: Outcome) -> tuple[list[float], list[float]]:
    """Seconds and millions of phrases committed until then, thinned out."""
    totals = list(accumulate(commit.phrases for commit in outcome.commits))
    step = max(1, len(totals) // MOST_POINTS)
    chosen = [*range(0, len(totals), step), len(totals) - 1]
    return [0.0, *(outcome.commits[k].at_s for k in chosen)], [0.0, *(totals[k] / 1e6 for k in chosen)]
