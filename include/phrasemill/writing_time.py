"""The time in which phrases were written, the same for the state of a corpus and for reports. Pure."""

import datetime as dt
from collections.abc import Iterable
from typing import TypeVar

Span = tuple[dt.datetime, dt.datetime]
"""Start and end."""
Moment = TypeVar("Moment", dt.datetime, float)


def written_between(started_at: dt.datetime | None, finished_at: dt.datetime | None, *, seconds: float) -> Span | None:
    """From when to when a shard's phrases were written; None if that is not known.

    Of a shard that was resumed after a pause it is the last `seconds` (0: not known), as if the pause had come first.
    """
    if started_at is None or finished_at is None:
        return None
    busy = finished_at - dt.timedelta(seconds=seconds)
    return (max(started_at, busy) if seconds else started_at), finished_at


def busy_seconds(spans: Iterable[Span]) -> float:
    """Length of the union of some spans: shards side by side count once, pauses between them not at all."""
    return sum((max(0.0, (end - start).total_seconds()) for start, end in joined(spans)), 0.0)


def joined(spans: Iterable[tuple[Moment, Moment]]) -> list[tuple[Moment, Moment]]:
    """The union of some spans, in order: those that touch or overlap are one."""
    union: list[tuple[Moment, Moment]] = []
    for start, end in sorted(spans):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union
