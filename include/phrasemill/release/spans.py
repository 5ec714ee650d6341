"""Runs of spans, and the phrase ids that lie in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from phrasemill.release.plan import ReleasePlan, ReleaseShard


def span_ids(shards: Sequence[ReleaseShard]) -> npt.NDArray[np.int64]:
    """The phrase ids of some shards: those of a committed shard are dense and in order."""
    return np.concatenate([np.arange(shard.first_id, shard.first_id + shard.rows, dtype=np.int64) for shard in shards])


def ids_between(ids: npt.NDArray[np.int64], first: int, last: int) -> npt.NDArray[np.int64]:
    """Those of sorted ids that lie in [first, last)."""
    low, high = np.searchsorted(ids, (first, last))
    return ids[low:high]


def runs_of_spans(plan: ReleasePlan, most: int) -> list[range]:
    """All spans in at most so many consecutive runs, about alike in length."""
    spans = len(plan.cuts.spans)
    count = min(spans, most)
    return [range(number * spans // count, (number + 1) * spans // count) for number in range(count)]


def bounds_of(plan: ReleasePlan, spans: range) -> tuple[int, int]:
    """The phrase ids of a run of spans: [first, last)."""
    last = plan.span(spans[-1])[-1]
    return plan.span(spans[0])[0].first_id, last.first_id + last.rows


def joined(pieces: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The pieces end to end; each is let go of as soon as it is copied, so that memory holds them once."""
    whole = np.empty(sum(map(len, pieces)), pieces[0].dtype)
    at = len(whole)
    while pieces:
        piece = pieces.pop()
        whole[at - len(piece) : at] = piece
        at -= len(piece)
    return whole
