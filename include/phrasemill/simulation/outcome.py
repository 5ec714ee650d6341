"""Outcome: what came of a simulated corpus. Shares are of the whole time, from 0 to 1."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """A shard that was committed, at which second, with so many phrases."""

    at_s: float
    shard: int
    phrases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How long it took, how busy everything was, and what failed."""

    seconds: float
    """From the start of the first run until the last one is closed."""
    phrases: int
    """Committed."""
    runs: int
    """Runs of the Dag, one after the other: nights, where each night has one."""
    busy: float
    """What engines wrote, against what they write when all of them are full."""
    scheduler_busy: float
    """Share of the time that the scheduler was starting tasks."""
    pool_used: float
    """Slots of the pool that were taken, on average."""
    validate_used: float
    """Of the shards that may pass the gate at once."""
    publish_used: float
    tasks_used: float
    """Of the task instances that may run at once."""
    shard_s: float
    """Seconds in which a shard was written, on average, from the first prompt to the last block."""
    longest_shard_s: float
    tasks_started: int
    tasks_lost: int
    """Task instances that died with their workers."""
    crashes: int
    """Engines that died."""
    worker_losses: int
    phrases_redone: int
    """Written, and lost with the blocks in flight of a task that died."""
    commits: tuple[Commit, ...]
    """In the order in which they happened."""
