"""Blocks: the parts of a release's files that were read from the bucket last, kept up to a size.

A published release never changes, so what is kept never grows old.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

BLOCK_BYTES = 128 * 1024
"""A look-up of one phrase reads the columns of one row group, in 3 requests of 1 to 2 MB: blocks round them up by a
few per cent. Footers are one or two."""
KEPT_BYTES = 64 * 2**20

Fetch = Callable[[str, int, int], bytes]
"""A path, the first byte and how many: the bytes."""


class Blocks:
    """Reads ranges of files through the blocks that are kept; several threads may.

    Args:
        fetch: reads from the bucket.
        kept_bytes: how much is kept, at least the latest block.
    """

    def __init__(self, fetch: Fetch, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._fetch = fetch
        self._most = max(1, kept_bytes // BLOCK_BYTES)
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: str, first: int, last: int) -> bytes:
        """Bytes [first, last) of a file; each run of blocks that are not kept is one request."""
        wanted = range(first // BLOCK_BYTES, -(-last // BLOCK_BYTES))
        found = {number: block for number in wanted if (block := self._kept(path, number)) is not None}
        for run in _runs([number for number in wanted if number not in found]):
            content = self._fetch(path, run[0] * BLOCK_BYTES, len(run) * BLOCK_BYTES)
            for place, number in enumerate(run):
                found[number] = content[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES]
                self._keep(path, number, found[number])
        start = wanted.start * BLOCK_BYTES
        return b"".join(found[number] for number in wanted)[first - start : last - start]

    def _kept(self, path: str, number: int) -> bytes | None:
        with self._lock:
            block = self._blocks.get((path, number))
            if block is not None:
                self._blocks.move_to_end((path, number))
            return block

    def _keep(self, path: str, number: int, block: bytes) -> None:
        with self._lock:
            self._blocks[path, number] = block
            while len(self._blocks) > self._most:
                self._blocks.popitem(last=False)


def _runs(numbers: list[int]) -> list[list[int]]:
    """Ascending numbers, cut where one is missing."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
