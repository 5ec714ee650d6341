"""SplitMix64: numbers as if by chance that follow from a place and a seed alone. Pure."""

import numpy as np
import numpy.typing as npt


def order_hash(places: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.uint64]:
    """For each place, from 0, the number there of the sequence that SplitMix64 makes of the seed; no two are equal.

    Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
    """
    state = np.uint64(seed) + (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashes: npt.NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return hashes
