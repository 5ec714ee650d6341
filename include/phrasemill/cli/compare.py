"""The command `phrasemill compare`: the same phrases through several engines, models or settings, and one table."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from phrasemill.comparison.errors import ComparisonError
from phrasemill.comparison.sides import Side, read_axis, read_engines, read_side, sides_of
from phrasemill.extras import GATE, PAGES, require
from phrasemill.grind_progress import MillBars
from phrasemill.progress import Progress
from phrasemill.rules import check_rules
from phrasemill.terminal import err, out
from phrasemill.visible import visible
from phrasemill.whole_file import write_whole

if TYPE_CHECKING:
    from phrasemill.comparison.figures import Comparison, SideFigures

ENGINES_VARIABLE = "PHRASEMILL_ENGINES"
FIRST_COLUMN, SIDE_COLUMN = 20, 24  # characters, their borders included
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def compare(
    corpora: Annotated[list[str], typer.Argument(help="Corpora, by name or path; they share templates and lexicons.")],
    *,
    engines: Annotated[
        list[str] | None,
        typer.Option(
            help="'NAME=URL,URL field=value key=VARIABLE': engines, what they change in the corpus file, and the "
            "variable with their API key. Repeatable. Without it: PHRASEMILL_ENGINES."
        ),
    ] = None,
    side: Annotated[
        list[str] | None,
        typer.Option(
            help="'NAME: field=value field=value', such as 'hot: sampling.temperature=1.2'; 'NAME:' is the file as it "
            "is, engines=NAME and corpus=NAME tie it to one of several. Repeatable."
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="'field=value,value', such as sampling.n=1,4,8: a side for each. Repeatable, all times all."),
    ] = None,
    phrases: Annotated[int, typer.Option(min=10, max=100_000, help="Phrases of each side.")] = 500,
    to: Annotated[Path | None, typer.Option(help="Write comparison.html, .json and .md to this folder too.")] = None,
    prompts_differ: Annotated[
        bool, typer.Option("--prompts-differ", help="The prompts differ on purpose: they are what is compared.")
    ] = False,
) -> None:
    """Write the same phrases through several engines, models or settings, and print one table of what came of each.

    Every corpus goes with all engines, all sides and all varied values, one side after the other; no phrase is kept in
    a bucket. An API key is read from PHRASEMILL_API_KEY, or from the variable that key= names.
    """
    require("compare", (*GATE, *PAGES))
    sides = sides_of(
        corpora,
        engines=[read_engines(text) for text in engines or _of_environment()],
        named=[read_side(text) for text in side or ()],
        axes=[read_axis(text) for text in vary or ()],
        phrases=phrases,
    )
    from phrasemill.comparison.alike import prompt_notes  # noqa: PLC0415
    from phrasemill.comparison.run import compare_sides  # noqa: PLC0415

    notes = prompt_notes(sides, may_differ=prompts_differ)
    for one in sides:
        check_rules(one.spec)
        one.api_key()
    _prepare(to)
    with SideProgress(err, sides) as progress:
        outcome = compare_sides(sides, phrases=phrases, notes=notes, watcher=progress)
    show(outcome.comparison, console=out)
    if to:
        _write(outcome.comparison, to)
    if outcome.stopped:
        err.print("stopped; the table has what was measured until then", style="red", highlight=False)
        raise typer.Exit(INTERRUPTED)
    if not any(line.state == "measured" for line in outcome.comparison.sides):
        raise ComparisonError("no side could be measured; the table says why")


class SideProgress(MillBars):
    """One bar for the side in the mill, and a line for each that is over."""

    def __init__(self, console: Console, sides: Sequence[Side]) -> None:
        super().__init__(console)
        self._count = len(sides)
        self._begun = 0
        self._bar = self._bars.add_task("starting", total=None, rate="")

    def begin(self, side: Side) -> None:
        """Show the next side."""
        self._begun += 1
        what = f"{self._begun} of {self._count}: {visible(side.name)}"
        self._bars.reset(self._bar, total=side.spec.shard_phrases, description=what, rate="warming up")

    def look(self, progress: Progress) -> None:
        """Show one look at the mill."""
        rate = f"{progress.phrases_per_s:.1f} phrases/s, {progress.reject_share:.0%} rejected"
        self._bars.update(self._bar, completed=progress.accepted, rate=rate)

    def end(self, figures: "SideFigures") -> None:
        """Say what came of a side."""
        from phrasemill.comparison.table import FIGURES  # noqa: PLC0415

        if figures.state == "measured":
            told = f"{FIGURES['phrases/s'](figures)} phrases/s, {FIGURES['accepted'](figures)} accepted"
        else:
            told = f"{figures.state}: {figures.trouble}"
        self._bars.console.print(f"{visible(figures.name)}: {visible(told)}", highlight=False, markup=False)


def show(comparison: "Comparison", *, console: Console) -> None:
    """Print the table, its notes and the samples; as many tables as the console's width makes of it."""
    from phrasemill.comparison.table import FIGURES, asked, troubles  # noqa: PLC0415

    at_once = max(1, (console.width - FIRST_COLUMN) // SIDE_COLUMN)
    for first in range(0, len(comparison.sides), at_once):
        some = comparison.sides[first : first + at_once]
        table = Table(title=f"{comparison.phrases:,} phrases a side" if not first else None)
        table.add_column("")
        for one in some:
            table.add_column(Text(visible(one.name)))
        for name, told in FIGURES.items():
            table.add_row(name, *(Text(visible(told(one))) for one in some))
        console.print(table)
    for note in (*troubles(comparison), *comparison.notes, *asked(comparison)):
        console.print(f"- {visible(note, most=1000)}", highlight=False, markup=False, soft_wrap=True)
    width = max(len(visible(one.name)) for one in comparison.sides)
    for sample in comparison.samples:
        what = f"{sample.template}: {', '.join(sample.slots.values())}"
        console.print(f"\n{visible(what)}", style="dim", highlight=False, markup=False, soft_wrap=True)
        for one, text in zip(comparison.sides, sample.texts, strict=True):
            if text:
                again = " (asked again)" if text.asked_again else ""
                line = f"  {visible(one.name):{width}}  {visible(text.text)}{again}"
                console.print(line, highlight=False, markup=False, soft_wrap=True)


def _of_environment() -> list[str]:
    given = os.environ.get(ENGINES_VARIABLE, "").replace(",", " ").split()
    return [",".join(given)] if given else []


def _prepare(folder: Path | None) -> None:
    """Find out before anything is ground whether it can be kept."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ComparisonError(f"--to {folder}: cannot be made ({error.strerror}); give another folder") from error
    if not os.access(folder, os.W_OK):
        raise ComparisonError(f"--to {folder}: cannot be written to; give another folder")


def _write(comparison: "Comparison", folder: Path) -> None:
    from phrasemill.comparison.page import FILES  # noqa: PLC0415

    for name, content in FILES.items():
        try:
            write_whole(folder / name, content(comparison))
        except OSError as error:
            raise ComparisonError(f"{folder / name}: cannot be written ({error.strerror}); see --to") from error
        out.print(f"wrote {folder / name}", highlight=False, markup=False, soft_wrap=True)
