"""A full-cycle permutation of range(size): every index once, in an order that looks shuffled.

A Feistel network over pairs of digits in base ceil(sqrt(size)), walked until it lands inside the range
(Black and Rogaway 2002, 'Ciphers with arbitrary finite domains'). The domain is at most
size + 2*sqrt(size) + 1, so that almost no index is walked twice.
"""

import math

import numpy as np
import numpy.typing as npt

ROUNDS = 6
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # splitmix64's finaliser

Indices = npt.NDArray[np.uint64]


class Permutation:
    """A bijection on range(size), fixed by its key.

    Args:
        size: how many indices, 1 to 2**62.
        key: 64 bits; another key gives another order.
    """

    def __init__(self, size: int, key: int) -> None:
        self.size = size
        side = math.isqrt(size)
        self._side = np.uint64(side if side * side >= size else side + 1)
        self._keys = _mix(np.arange(1, ROUNDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key))

    def __call__(self, indices: Indices) -> Indices:
        """Permute indices (uint64, each below size), elementwise."""
        out = self._feistel(indices)
        while (outside := np.flatnonzero(out >= self.size)).size:
            out[outside] = self._feistel(out[outside])
        return out

    def _feistel(self, indices: Indices) -> Indices:
        left, right = np.divmod(indices, self._side)
        for key in self._keys:
            # Reduced before it is added: a sum past 2**64 would wrap round and meet another index.
            left, right = right, (left + _mix(right + key) % self._side) % self._side
        return left * self._side + right


def _mix(words: Indices) -> Indices:
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))
