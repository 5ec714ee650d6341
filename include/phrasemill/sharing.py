"""How shard tasks share engines: how many at once, which engines each asks, and the smallest shard that fills them.

Values in, values out. Tasks do not know of each other. Each begins with the part of an engine's window that is its own
when all slots of the pool are taken, and finds from what the engine holds in all whether it may have more
(`phrasemill.engines.watch`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

POOL_DESCRIPTION = "Shards that the engines write at the same time"
ENGINES_A_TASK = 16
"""Engines that one shard task keeps busy. A task writes 23,000 phrases/CPU-s, an engine of a 1.5B model on an H100 has
500 to 750 phrases/s (docs/benchmarks.md): sixteen take half a core, and leave the rest to saving blocks."""
MOST_ENGINES_A_TASK = 64
"""Engines that a task asks at most: those of four tasks. Beyond, each task takes a part of the ring of engines."""
SPARE_TASKS = 1
"""A shard's first and last lists do not fill the engines, and its worker may die: another task fills them meanwhile."""
SHARES_A_SHARD = 8
"""A shard smaller than so many times what it has in flight spends much of its time on its first and last lists."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one task has of all engines: the URLs that it asks, and how many tasks ask each of them, itself included."""

    engines: list[str]
    tasks: int


def slots_for(engines: int) -> int:
    """Shard tasks to run at once on so many engines: the slots of pool `engines`."""
    return SPARE_TASKS + max(1, math.ceil(engines / ENGINES_A_TASK))


def all_alone(engines: Sequence[str]) -> Part:
    """The part of something that has the engines to itself, such as a measurement."""
    return Part(list(engines), 1)


def part_of_task(engines: Sequence[str], shard: int) -> Part:
    """What the task of a shard has of all engines, while as many tasks run as the pool has slots."""
    chosen, slots = engines_of_task(engines, shard), slots_for(len(engines))
    return Part(chosen, math.ceil(slots * len(chosen) / len(engines)) if chosen else slots)


def engines_of_task(engines: Sequence[str], shard: int) -> list[str]:
    """The engines that the task of a shard asks, of all in their order.

    All of them up to MOST_ENGINES_A_TASK. Of more, a stretch of the ring that begins where the one of the shard before
    has reached the number of engines a task keeps busy, so that shards in a row, which are those that run at once, load
    all engines alike.
    """
    count = len(engines)
    if count <= MOST_ENGINES_A_TASK:
        return list(engines)
    begin = shard * ENGINES_A_TASK % count
    return [engines[(begin + step) % count] for step in range(MOST_ENGINES_A_TASK)]


def smallest_shard(engines: int, *, in_flight: int) -> int:
    """Phrases that a shard should have at least, when engines have `in_flight` prompts in flight each, of all tasks."""
    return math.ceil(SHARES_A_SHARD * engines * in_flight / slots_for(engines))
