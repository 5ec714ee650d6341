"""The grid of all shards in few bytes: a line of text a shard, which static/corpus.js makes into cells. Pure.

A cell as HTML takes about 300 bytes, and 2,000 of them 600 kB; as lines they take a quarter of that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from phrasemill.corpus_state import ShardCell
from phrasemill.night_lines import NightLine
from phrasemill.report.words import visible

if TYPE_CHECKING:
    from phrasemill.web.airflow_runs import ShardTask

STATES = {
    "committed": "its phrases are in the corpus",
    "running": "a block of it was saved in the last minutes",
    "begun": "some of its blocks are saved, none of late",
    "quarantined": "it failed the gate and waits for somebody",
    "missing": "nothing of it is there yet",
}
"""States of a shard in the order of the legend, with their meaning; the first letter of each is its code."""
WIDE_NIGHT = 5
"""Shards from which on a night has room for its date above its cells."""


class Legend(NamedTuple):
    """One state with its number of shards."""

    state: str
    meaning: str
    shards: int


@dataclass(frozen=True, slots=True)
class GridNight:
    """The cells of one night; `cells` has a line for each, its fields apart by tabs: code, task, detail.

    `task` is the number of a place, a colon and the rest of the address, or empty where Airflow knows of no task.
    """

    number: int | None
    """None of top-up shards."""
    label: str
    name: str
    first: int
    count: int
    cells: str


@dataclass(frozen=True, slots=True)
class Grid:
    """All shards, night by night."""

    nights: tuple[GridNight, ...]
    legend: tuple[Legend, ...]
    places: str
    """Beginnings of the tasks' addresses, a line for each."""
    last: int
    """The highest number of a shard in it."""


def shard_grid(cells: Iterable[ShardCell], nights: Iterable[NightLine], tasks: "Mapping[int, ShardTask]") -> Grid:
    """Sort the cells by night; `tasks` is the latest of each shard that Airflow knows."""
    labels = {line.number: line.label for line in nights}
    places: dict[str, int] = {}
    counts: Counter[str] = Counter()
    runs: list[list[ShardCell]] = []
    for cell in sorted(cells, key=lambda cell: cell.shard):
        counts[cell.state] += 1
        before = runs[-1][-1] if runs else None
        # The page counts on from a run's first cell, and between top-up shards numbers may be missing.
        if before and (before.night, before.shard + 1) == (cell.night, cell.shard):
            runs[-1].append(cell)
        else:
            runs.append([cell])
    return Grid(
        nights=tuple(
            _night(own[0].night, labels, [_line(cell, tasks, places) for cell in own], first=own[0].shard)
            for own in runs
        ),
        legend=tuple(Legend(state, meaning, counts[state]) for state, meaning in STATES.items()),
        places="\n".join(places),
        last=runs[-1][-1].shard,
    )


def _night(number: int | None, labels: Mapping[int, str], lines: list[str], *, first: int) -> GridNight:
    if number is None:
        return GridNight(None, "top-up", "Top-up shards", first, len(lines), "\n".join(lines))
    label = labels.get(number, "")
    name = f"Night {number}, {visible(label)}" if label else f"Night {number}"
    short = visible(label) if label and len(lines) >= WIDE_NIGHT else str(number)
    return GridNight(number, short, name, first, len(lines), "\n".join(lines))


def _line(cell: ShardCell, tasks: "Mapping[int, ShardTask]", places: dict[str, int]) -> str:
    task = ""
    if known := tasks.get(cell.shard):
        place, _, rest = known.url.rpartition("/")
        task = f"{places.setdefault(place, len(places))}:{rest}"
    return f"{cell.state[0]}\t{task}\t{' '.join(visible(cell.detail).split())}"
