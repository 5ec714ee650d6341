"""Runs a comparison: one side after the other, so that they do not take each other's cores."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phrasemill import __version__
from phrasemill.comparison.figures import Comparison, SideFigures, figures_of, not_run
from phrasemill.comparison.grinding import PATIENCE, Ground, grind_side
from phrasemill.comparison.samples import samples_of
from phrasemill.comparison.sides import Side
from phrasemill.engines.outage import Patience
from phrasemill.progress import Progress

ONE_RUN = (
    "Each side is one run: the ranges hold 95 % of what chance does to so few phrases, and sides whose ranges overlap "
    "are not told apart. Compare again with more --phrases"
)
WHOLE_RUN = (
    "phrases/s is from the first request to the last answer, with engines that fill and drain; large shards have more"
)
SHARED = "where n or phrases_per_prompt differ, a sample is the first phrase of each side to the same prompt"
UNLIMITED = "limits of an API are kept as far as requests at once; of requests and tokens a minute none is held back"


class Watcher(Protocol):
    """Is told how far a comparison is."""

    def begin(self, side: Side) -> None:
        """A side begins."""

    def look(self, progress: Progress) -> None:
        """A look at the mill."""

    def end(self, figures: SideFigures) -> None:
        """A side is over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A comparison, and whether it was stopped before its last side."""

    comparison: Comparison
    stopped: bool


def compare_sides(
    sides: Sequence[Side], *, phrases: int, notes: Sequence[str], watcher: Watcher, patience: Patience = PATIENCE
) -> Outcome:
    """Grind every side; Ctrl-C ends it, and what was measured until then is kept."""
    grounds: list[Ground | None] = []
    lines: list[SideFigures] = []
    stopped = False
    try:
        for side in sides:
            watcher.begin(side)
            ground = asyncio.run(grind_side(side, on_look=watcher.look, patience=patience))
            line = figures_of(ground)
            grounds.append(ground)
            lines.append(line)
            watcher.end(line)
    except KeyboardInterrupt:
        stopped = True
    left = sides[len(lines) :]
    comparison = Comparison(
        phrases=phrases,
        language=sides[0].spec.language,
        made_at=dt.datetime.now(dt.UTC),
        phrasemill=__version__,
        notes=(ONE_RUN, WHOLE_RUN, *_notes_on(sides), *notes),
        sides=(*lines, *map(not_run, left)),
        samples=samples_of([*grounds[: len(lines)], *(None for _ in left)]),
    )
    return Outcome(comparison, stopped)


def _notes_on(sides: Sequence[Side]) -> list[str]:
    notes = [SHARED] if len({side.spec.sampling.group for side in sides}) > 1 else []
    return notes + ([UNLIMITED] if any(side.spec.engines.limits for side in sides) else [])
