"""The time in which phrases were written, the same for the state of a corpus and for reports. Pure."""

import datetime as dt
from collections.abc import Iterable

Span = tuple[dt.datetime, dt.datetime]
"""Start and end."""


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
    seconds, until = 0.0, None
    for start, end in sorted(spans):
        fresh = start if until is None else max(start, until)
        seconds += max(0.0, (end - fresh).total_seconds())
        until = end if until is None else max(end, until)
    return seconds
