"""Changes: what should be set otherwise on a fleet. Found by simulating it, not by rules.

A place is first simulated with every setting as its engines want it. What takes away much time is then reduced to the
settings that matter: each is put back as it was, and stays so unless the corpus takes longer. So every change that is
told is needed beside the others, and the seconds that leaving it out costs are known.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from phrasemill.sharing import slots_for
from phrasemill.simulation.place import SIZES, Place, start_s, workers_for
from phrasemill.simulation.question import Question
from phrasemill.simulation.run import simulate
from phrasemill.spec import MAX_SHARDS

MATTERS = 0.05
"""Of the time; what changes less is left as it is."""
WITHIN = 0.9
"""Share of a limit's capacity that is planned with, where work arrives unevenly."""
MOST_SCHEDULERS = 8
LONGEST_SHARD_S = 1800.0
"""Tasks that run longer meet bugs of Airflow's with tokens and heartbeats (#67939, #63774)."""
SAMPLED_SHARDS = 1024
"""A larger corpus is judged by so many of its shards at most, in whole runs: its other runs go the same way."""


@dataclass(frozen=True, slots=True)
class Change:
    """Settings that belong together, as they are and as they should be."""

    name: str
    """shard_phrases, slots, validate_at_once, publish_at_once, run_tasks, workers or starts_per_s."""
    before: Any
    after: Any
    slower: float
    """By what the time is multiplied if all is changed but this."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample of a corpus tells of all of it."""

    seconds: float
    busy: float


@dataclass(frozen=True, slots=True)
class Advice:
    """A place as it should be. Without changes it is as it was."""

    place: Place
    changes: tuple[Change, ...]
    """What matters most first."""
    now: Estimate
    then: Estimate

    @property
    def bottleneck(self) -> str | None:
        """The setting that costs most if it alone is left as it is; None: no setting would change much."""
        return next((change.name for change in self.changes if change.slower > 1 + MATTERS), None)


def advise(place: Place) -> Advice:
    """What to change for a place, and what each change is worth."""
    measure = _Measure()
    best = _best_size(place, measure)
    if (more := _more_schedulers(best)) is not None and measure.better(more, best):
        best = more
    if not measure.better(best, place) and not _too_long(place):
        return Advice(place, (), measure.of(place), measure.of(place))
    for name in LEVERS:
        back = _put_back(best, place, name)
        if not measure.better(best, back) and not _too_long(back):
            best = back
    changes = [_change(best, place, name, measure) for name in LEVERS if _value(best, name) != _value(place, name)]
    changes.sort(key=lambda change: -change.slower)
    return Advice(best, tuple(changes), measure.of(place), measure.of(best))


LEVERS = (
    *("starts_per_s", "workers", "run_tasks", "publish_at_once", "validate_at_once", "slots"),
    "shard_phrases",
)
"""Settings that may be changed, the dearest first: these are put back first."""


class _Measure:
    """Estimates of places; each is simulated once."""

    def __init__(self) -> None:
        self._known: dict[Question, Estimate] = {}

    def of(self, place: Place) -> Estimate:
        question = place.question
        if question not in self._known:
            sample = _sample(question)
            outcome = simulate(sample)
            self._known[question] = Estimate(outcome.seconds * question.phrases / sample.phrases, outcome.busy)
        return self._known[question]

    def better(self, place: Place, other: Place) -> bool:
        """Whether a place is faster than another one by so much that it matters."""
        return self.of(place).seconds < (1 - MATTERS) * self.of(other).seconds


def _sample(question: Question) -> Question:
    runs = max(1, SAMPLED_SHARDS // question.shards_a_run)
    return replace(question, phrases=min(question.phrases, runs * question.shards_a_run * question.shard_phrases))


def _change(place: Place, before: Place, name: str, measure: _Measure) -> Change:
    without = measure.of(_put_back(place, before, name))
    return Change(name, _value(before, name), _value(place, name), without.seconds / measure.of(place).seconds)


def suited(place: Place, shard_phrases: int) -> Place:
    """The place with shards of this size, and every limit but the scheduler's as engines and shards want it."""
    question = place.question
    rate = min(question.full_rate, question.starts_per_s / 3 * shard_phrases)
    slots = max(slots_for(question.engines), math.ceil(rate / question.task_phrases_per_s / WITHIN) + 1)

    def at_once(seconds: float, now: int) -> int:
        return max(now, math.ceil(rate / shard_phrases * (seconds + question.task_start_s) / WITHIN) + 1)

    grown = replace(
        question,
        shard_phrases=shard_phrases,
        slots=max(slots, question.pool_slots),
        validate_at_once=at_once(question.validate.of(shard_phrases), question.validate_at_once),
        publish_at_once=at_once(question.publish.of(shard_phrases), question.publish_at_once),
    )
    together = grown.pool_slots + grown.validate_at_once + grown.publish_at_once
    return _with_workers(replace(place, question=replace(grown, run_tasks=max(question.run_tasks, together))))


def _with_workers(place: Place) -> Place:
    """Workers for all its tasks; more than one machine needs another executor than the local one."""
    question, executor = place.question, place.executor
    places = question.workers * question.worker_tasks
    if places >= min(question.run_tasks, question.pool_slots + question.validate_at_once + question.publish_at_once):
        return place
    if executor == "local":
        executor = "celery"
        question = replace(question, task_start_s=start_s(executor))
    return replace(place, executor=executor, question=replace(question, workers=workers_for(question)))


def _best_size(place: Place, measure: _Measure) -> Place:
    """The place at the smallest size of shards, its own or a larger one, beside which no other is much faster.

    Smaller ones are tried only where none of these is faster than its own, or all take too long to be written.
    """
    size, phrases = place.question.shard_phrases, place.question.phrases
    larger = [suited(place, other) for other in (size, *(other for other in SIZES if size < other <= phrases))]
    found = _smallest_good(larger, measure)
    if found is not None and found.question.shard_phrases > size:
        return found
    least = max(1, -(-phrases // MAX_SHARDS))
    smaller = [suited(place, other) for other in SIZES if least <= other < size]
    other = _smallest_good(smaller, measure)
    if found is None:
        return other or larger[0]
    return other if other is not None and measure.better(other, found) else found


def _smallest_good(places: Sequence[Place], measure: _Measure) -> Place | None:
    """The first of places in the order of their shards' sizes beside which none is much faster."""
    short = [place for place in places if not _too_long(place)]
    return next((place for place in short if not any(measure.better(other, place) for other in short)), None)


def _too_long(place: Place) -> bool:
    """Whether a shard of a full pool takes longer than a task should."""
    question = place.question
    rate = min(question.task_phrases_per_s, question.full_rate / min(question.pool_slots, question.shards))
    return question.shard_phrases / rate > LONGEST_SHARD_S


def _more_schedulers(place: Place) -> Place | None:
    """The place with as many schedulers as its engines need; None where one is enough."""
    question = place.question
    needed = 3 * question.full_rate / question.shard_phrases / WITHIN
    count = min(MOST_SCHEDULERS, math.ceil(needed / question.starts_per_s))
    if count < 2:
        return None
    grown = replace(place, question=replace(question, starts_per_s=count * question.starts_per_s))
    return suited(grown, question.shard_phrases)


def _put_back(place: Place, before: Place, name: str) -> Place:
    """The place with one setting as it was."""
    old = before.question
    back: dict[str, Callable[[], Place]] = {
        "workers": lambda: replace(
            place,
            executor=before.executor,
            question=replace(place.question, workers=old.workers, task_start_s=old.task_start_s),
        ),
        "slots": lambda: replace(place, question=replace(place.question, slots=old.pool_slots)),
    }
    usual = lambda: replace(place, question=replace(place.question, **{name: getattr(old, name)}))  # noqa: E731
    return back.get(name, usual)()


def _value(place: Place, name: str) -> Any:  # noqa: ANN401 - a number, or executor and workers
    if name == "slots":
        return place.question.pool_slots
    if name == "workers":
        return place.executor, place.question.workers
    return getattr(place.question, name)
