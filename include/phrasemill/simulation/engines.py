"""Engines: fluid rates, worked out anew whenever a shard begins, nears its end, ends, or an engine dies or is back.

How fast an engine writes follows from its prompts in flight, as in the forecast: a decoding step takes a fixed time and
some for each sequence, so `k` in flight give k / (k + h) of a limit, where h = outputs a second x seconds of a lone
answer. From `sequences` on the rest waits, and the rate is the full one. Tasks at one engine share its rate as they
share its prompts in flight, which vLLM takes in the order they come (`phrasemill.engines.watch` keeps windows even).

Engines that the same tasks ask are alike, and are reckoned as one group: at 2,048 engines 128 groups.
"""

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import simpy

from phrasemill.sharing import ENGINES_A_TASK, MOST_ENGINES_A_TASK, engines_of_task
from phrasemill.simulation.question import Question

Floats = npt.NDArray[np.float64]

NEARLY_NOTHING = 1e-6
"""Phrases; what rounding leaves of a shard that is written."""
NO_RATE, NEVER_S = 1e-200, 1e100
"""Instead of 0 where it would divide, and what comes of it."""
ROUNDS_OF_LIMITS = 4
"""How often what a task cannot take is given to the others; the rest is below a hundredth then."""


@dataclass(slots=True, eq=False)
class Writing:
    """A shard being written by one task: first its bulk, then the late ids, which were rejected near its end."""

    row: int
    """In the tables of `Engines`."""
    done: simpy.Event
    phrases: int
    """To be written by this try."""
    late: float
    """Of these, ids that are asked again one answer after the other, too few to fill engines."""
    late_in_flight: float
    """Prompts in flight at each of its engines meanwhile."""
    in_flight: float
    """Prompts in flight at all its engines before."""
    is_late: bool = False


class Engines:
    """All engines of a fleet.

    Args:
        env: the simulation's clock.
        question: see there.
    """

    def __init__(self, env: simpy.Environment, question: Question) -> None:
        self._env = env
        self._question = question
        count = question.engines
        self._names = [str(number) for number in range(count)]
        self._size = math.gcd(ENGINES_A_TASK, count) if count > MOST_ENGINES_A_TASK else count
        self._group_of = {name: number // self._size for number, name in enumerate(self._names)}
        groups = count // self._size
        self._alive = np.full(groups, self._size, dtype=np.int64)
        rows = max(1, min(question.pool_slots, question.tasks_at_once, question.shards))
        self._asked = np.zeros((rows, groups))  # part of each group's engines that a task asks
        self._bulk = np.zeros((rows, groups))  # its prompts in flight at an engine of the group, if there is room
        self._late = np.zeros((rows, groups))  # those of a shard whose bulk is through
        self._left = np.full(rows, np.inf)  # phrases until its phase ends
        self._rates = np.zeros(rows)
        self._free = list(range(rows))  # a heap: rows in use lie together
        self._writings: dict[int, Writing] = {}
        self._asleep_since = 0.0
        self._wake: simpy.Event | None = None
        self.written = 0.0
        """Phrases, whatever became of them."""

    def write(self, shard: int, phrases: int) -> Writing:
        """Begin to write the missing phrases of a shard; `done` of what comes back happens when they are written."""
        asked = Counter(map(self._group_of.__getitem__, engines_of_task(self._names, shard)))
        engines = asked.total()
        self._settle()
        row = heapq.heappop(self._free)
        groups, counts = list(asked), np.array(list(asked.values()), dtype=np.float64)
        self._asked[row, groups] = counts / self._size
        writing = self._writing(row, phrases, engines)
        in_flight = min(self._question.in_flight, phrases / self._question.accept_share / engines)
        self._bulk[row] = self._asked[row] * in_flight
        self._left[row] = phrases - writing.late
        self._writings[row] = writing
        self._reckon()
        return writing

    def stop(self, writing: Writing) -> int:
        """End a writing whose task has died; returns its phrases in whole blocks, which are kept.

        Blocks that hold ids in flight are open still, so about as many phrases as are in flight are lost.
        """
        written = self.written_of(writing)
        open_ids = writing.late if writing.is_late else writing.in_flight
        self._remove(writing)
        self._reckon()
        block = self._question.block_phrases
        return int(max(0.0, written - open_ids) // block) * block

    def written_of(self, writing: Writing) -> float:
        """Phrases that a writing has so far."""
        self._settle()
        to_come = float(self._left[writing.row]) + (0.0 if writing.is_late else writing.late)
        return writing.phrases - to_come

    def crash(self, engine: int) -> float | None:
        """Let the group of an engine have one less; returns the seconds that its answers in flight had taken.

        Those are asked anew. None: no engine of the group is alive.
        """
        group = engine // self._size
        if not self._alive[group]:
            return None
        self._settle()
        self._alive[group] -= 1
        self._reckon()
        return float(min(self._shared()[:, group].sum(), self._question.sequences)) / self._outputs_per_s

    def back(self, engine: int) -> None:
        """Give the group of an engine one more."""
        self._settle()
        self._alive[engine // self._size] += 1
        self._reckon()

    @cached_property
    def _outputs_per_s(self) -> float:
        return self._question.phrases_per_s / self._question.accept_share

    @cached_property
    def _half_full(self) -> float:
        """Prompts in flight that give half of the limit that the rate tends to: h of the module's docstring."""
        return self._outputs_per_s * self._question.lone_answer_s

    def _writing(self, row: int, phrases: int, engines: int) -> Writing:
        """What of a shard comes late: the rejected of its share of all prompts in flight, until none is left.

        A share 1 - a of n ids is rejected each time, so they are through after 1 + log(n) / log(1 / (1 - a)) answers.
        """
        question = self._question
        tasks = min(len(self._left), question.shards)
        share = min(question.in_flight * engines, question.in_flight * question.engines / tasks)
        in_flight = min(share, phrases / question.accept_share)
        rejected = 1 - question.accept_share
        late = min(in_flight * rejected, float(phrases))
        if late < 1:
            return Writing(row, self._env.event(), phrases, 0.0, 0.0, in_flight)
        answers = 1 + math.log(late) / -math.log(rejected)
        late_in_flight = late / (engines * answers * question.accept_share)
        return Writing(row, self._env.event(), phrases, late, late_in_flight, in_flight)

    def _remove(self, writing: Writing) -> None:
        row = writing.row
        self._asked[row] = self._bulk[row] = self._late[row] = self._rates[row] = 0.0
        self._left[row] = np.inf
        heapq.heappush(self._free, row)
        del self._writings[row]

    def _settle(self) -> None:
        """Count what was written since the last change."""
        seconds = self._env.now - self._asleep_since
        self._asleep_since = self._env.now
        if seconds > 0:
            self._left -= self._rates * seconds
            self.written += float(self._rates.sum()) * seconds

    def _reckon(self) -> None:
        """Work out every rate, and wake when the first phase ends."""
        self._wake = None
        if not self._writings:
            return
        held, most = self._shared(), self._question.task_phrases_per_s
        rates = self._rates_of(held)
        for _ in range(ROUNDS_OF_LIMITS):
            above = rates > most * (1 + NEARLY_NOTHING)
            if not above.any() or above.sum() == len(self._writings):
                break  # nobody leaves anything, or nobody could take it
            held[above] *= (most / rates[above])[:, None]
            rates = self._rates_of(held)
        rates = np.minimum(rates, most)
        self._rates[: len(rates)] = rates
        wait = float((self._left[: len(rates)] / np.maximum(rates, NO_RATE)).min())
        if wait < NEVER_S:
            self._wake = self._env.timeout(max(0.0, wait))
            self._wake.callbacks.append(self._woken)

    def _shared(self) -> Floats:
        """Prompts in flight of each task at an engine of each group; all bulks together keep to the window.

        Of the rows in use, and those between them.
        """
        rows = max(self._writings, default=-1) + 1
        together = self._bulk[:rows].sum(axis=0)
        window = self._question.in_flight
        shared: Floats = self._bulk[:rows] * (window / np.maximum(together, window)) + self._late[:rows]
        return shared

    def _rates_of(self, held: Floats) -> Floats:
        together = np.maximum(held.sum(axis=0), NO_RATE)
        full, half = self._question.sequences, self._half_full
        seated = np.minimum(together, full)
        share = seated / (seated + half) * ((full + half) / full)
        rates: Floats = held @ (self._alive * share * (self._question.phrases_per_s / together))
        return rates

    def _woken(self, event: simpy.Event) -> None:
        if event is not self._wake:
            return  # rates have changed since
        self._settle()
        # The one that was waited for is through, whatever rounding says.
        through = self._left <= np.maximum(NEARLY_NOTHING, self._rates * 1e-9 * max(1.0, self._env.now))
        for row in np.flatnonzero(through).tolist():
            writing = self._writings[row]
            if writing.late and not writing.is_late:
                writing.is_late = True
                self._bulk[row] = 0.0
                self._late[row] = self._asked[row] * writing.late_in_flight
                self._left[row] = writing.late
            else:
                self._remove(writing)
                writing.done.succeed()
        self._reckon()
