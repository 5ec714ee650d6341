"""How fast a corpus is being written at this moment, and which shards are being written at all. Pure.

The rate is what came within the window, over the time of the window:

- a committed shard's phrases are spread evenly over the time in which they were written;
- a staged block's phrases are spread evenly over the time since the save before it. Before a shard's first save, and
  after its last one, a block is taken to fill as fast as the shard's blocks do on average: before the first for as
  long as one takes, after the last until the next is due, while the shard has blocks to fill;
- the window is the last WINDOW, or the time since work began if that is shorter, or what the slowest shard needs to
  count as running if that is longer. Pauses in it count, since they are part of how fast work goes on.

Its range is the rate divided and multiplied by 1 + e, where e = max(LEAST_ERROR, 1 / sqrt(n)) and n is how many
blocks' worth of phrases was seen: the error of counting n saves (Poisson; saves come more evenly, so it is wide).
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from phrasemill.ranges import Range
from phrasemill.spec import CorpusSpec

if TYPE_CHECKING:
    from phrasemill.snapshot import Snapshot, Staged

WINDOW = dt.timedelta(minutes=10)
RUNNING_WITHIN = dt.timedelta(minutes=10)
"""A shard counts as running for so long after a save, and longer where its saves lie far apart."""
RUNNING_AT_MOST = dt.timedelta(hours=2)
GAPS_OVERDUE, GAPS_SEEN = 3, 5
"""It is overdue after 3 times the median of its last 5 gaps between saves."""
LEAST_ERROR = 0.02


@dataclass(frozen=True, slots=True)
class _Span:
    """Phrases written evenly between two times (seconds since the epoch); `seen` where they were saved."""

    start: float
    end: float
    phrases: float
    seen: bool = True

    def within(self, start: float, end: float) -> float:
        """The phrases of a part of it."""
        overlap = min(self.end, end) - max(self.start, start)
        return self.phrases * max(0.0, overlap) / max(self.end - self.start, 1e-3)


def running_for(staged: "Staged") -> dt.timedelta:
    """How long after its last save a shard still counts as running."""
    times = [saved.timestamp() for saved in staged.saves[-GAPS_SEEN - 1 :]]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if len(gaps) < 2:  # one gap may well be the pause between two nights
        return RUNNING_WITHIN
    overdue = dt.timedelta(seconds=GAPS_OVERDUE * median(gaps))
    return max(RUNNING_WITHIN, min(RUNNING_AT_MOST, overdue))


def running_shards(snapshot: "Snapshot", *, now: dt.datetime) -> "dict[int, Staged]":
    """Shards with a block saved lately."""
    return {
        number: staged for number, staged in snapshot.staged.items() if now - staged.last_saved <= running_for(staged)
    }


def rate_now(spec: CorpusSpec, snapshot: "Snapshot", *, now: dt.datetime) -> Range | None:
    """Accepted phrases a second over the last minutes, all shards together; None when nothing was saved lately."""
    running = running_shards(snapshot, now=now)
    end = max([now, *(staged.last_saved for staged in running.values())]).timestamp()  # the server's clock may be ahead
    longest = max([WINDOW, *(running_for(staged) for staged in running.values())]).total_seconds()
    spans = [*_committed(snapshot, since=end - longest), *_staged(spec, running, now=end)]
    start = max(end - longest, min((span.start for span in spans), default=end))
    seen = sum(span.within(start, end) for span in spans if span.seen)
    if start >= end or seen <= 0:
        return None
    rate = sum(span.within(start, end) for span in spans) / (end - start)
    error = max(LEAST_ERROR, math.sqrt(spec.block_phrases / seen))
    return Range(low=rate / (1 + error), likely=rate, high=rate * (1 + error))


def _committed(snapshot: "Snapshot", *, since: float) -> Iterator[_Span]:
    for entry in snapshot.shards.values():
        if entry.written and (end := entry.written[1].timestamp()) > since:
            yield _Span(min(entry.written[0].timestamp(), end - 0.1), end, entry.accepted)


def _staged(spec: CorpusSpec, running: "Mapping[int, Staged]", *, now: float) -> Iterator[_Span]:
    stretches = {number: _last_stretch(staged) for number, staged in running.items()}
    known = {number: gap for number, saves in stretches.items() if (gap := _seconds_a_block(saves))}
    usual = sum(known.values()) / len(known) if known else None
    for number, saves in stretches.items():
        gap = known.get(number, usual)
        if gap is None:  # one save tells no rate
            continue
        blocks = Counter(saves)
        times = sorted(blocks)
        starts = [times[0] - gap * blocks[times[0]], *times]
        for start, end in zip(starts, times, strict=False):
            yield _Span(start, end, spec.block_phrases * blocks[end])
        if running[number].blocks < spec.blocks_per_shard and now > times[-1]:
            under_way = min(now - times[-1], gap)
            yield _Span(times[-1], times[-1] + under_way, spec.block_phrases * under_way / gap, seen=False)


def _last_stretch(staged: "Staged") -> list[float]:
    """The saves since the shard's last pause, in seconds since the epoch."""
    pause = running_for(staged).total_seconds()
    saves: list[float] = []
    for saved in reversed([time.timestamp() for time in staged.saves]):
        if saves and saves[-1] - saved > pause:
            break
        saves.append(saved)
    return saves[::-1]


def _seconds_a_block(saves: list[float]) -> float | None:
    after_the_first = sum(1 for saved in saves if saved > saves[0])
    return (saves[-1] - saves[0]) / after_the_first if after_the_first else None
