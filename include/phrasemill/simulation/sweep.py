"""The same corpus on fleets of many sizes: from how many GPUs on shard size, pool and executor must change."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from phrasemill.simulation.changes import Advice, advise
from phrasemill.simulation.place import Place

FLEETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Step:
    """One fleet, with what it should change."""

    gpus: int
    place: Place
    advice: Advice


def sweep(place_with: Callable[[int], Place], fleets: Sequence[int] | None = None) -> Iterator[Step]:
    """Each fleet as it is, and as it should be. Corpora of many runs are reckoned from a sample of them."""
    for gpus in fleets or FLEETS:
        place = place_with(gpus)
        yield Step(gpus, place, advise(place))
