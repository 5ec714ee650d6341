"""Spread: some rows of many, one out of each of as many equal runs. Pure.

Which one of a run is left to a hash. An even step would not do: templates recur at even steps of ids, and every eighth
phrase of a corpus whose pattern of templates is four phrases long is of one template.
"""

import numpy as np
import numpy.typing as npt

from phrasemill.release.order_hash import order_hash


def spread(count: int, *, most: int) -> npt.NDArray[np.int64]:
    """At most `most` places of `count` rows, ascending; all of them where there are no more."""
    runs = min(count, most)
    edges = np.arange(runs + 1, dtype=np.int64) * count // max(1, runs)
    places: npt.NDArray[np.int64] = edges[:-1] + (
        order_hash(np.arange(runs), seed=0) % np.diff(edges).astype(np.uint64)
    ).astype(np.int64)
    return places
