"""Spread: some rows of many, one out of each of as many equal runs. Pure.

Which one of a run is left to a hash. An even step would not do: templates recur at even steps of ids, and every eighth
phrase of a corpus whose pattern of templates is four phrases long is of one template.
"""

import numpy as np
import numpy.typing as npt


def spread(count: int, *, most: int) -> npt.NDArray[np.int64]:
    """At most `most` places of `count` rows, ascending; all of them where there are no more."""
    runs = min(count, most)
    edges = np.arange(runs + 1, dtype=np.int64) * count // max(1, runs)
    places: npt.NDArray[np.int64] = edges[:-1] + _at_random(np.arange(runs), of=np.diff(edges))
    return places


def _at_random(runs: npt.NDArray[np.int64], *, of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each run a place below its length: splitmix64 of its number (Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = (runs.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    chosen: npt.NDArray[np.int64] = (mixed % of.astype(np.uint64)).astype(np.int64)
    return chosen
