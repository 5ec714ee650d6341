"""simulate: a question through conductor and engines, run after run, until every shard is committed."""

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from phrasemill.simulation.conductor import Conductor, Kind, Steps
from phrasemill.simulation.engines import Engines
from phrasemill.simulation.outcome import Commit, Outcome
from phrasemill.simulation.question import Question, SimulationError

MOST_FAILURES = 1_000_000
RUNS_IN_VAIN = 5
"""Runs in a row that commit nothing, after which none is to be expected."""


@dataclass(slots=True, eq=False)
class Shard:
    """A shard on its way: what is staged, and what it took."""

    number: int
    phrases: int
    staged: int = 0
    writing_s: float = 0.0
    committed: bool = False


@dataclass(slots=True)
class _Tally:
    """What is counted on the way."""

    commits: list[Commit] = field(default_factory=list)
    written_s: list[float] = field(default_factory=list)
    runs: int = 0
    crashes: int = 0
    redone: float = 0.0


def simulate(question: Question) -> Outcome:
    """What comes of a corpus, by discrete events. The same question gives the same outcome.

    A run takes so many shards: preflight and plan, then generate, validate and publish of each shard, then close_night.
    Runs follow each other at once; shards that ran out of retries go into the next one.

    Raises:
        SimulationError: so much fails that nothing is committed any more.
    """
    return _Simulation(question).outcome()


class _Simulation:
    def __init__(self, question: Question) -> None:
        self._question = question
        self._env = simpy.Environment()
        self._draw = random.Random(question.seed)  # noqa: S311
        self._engines = Engines(self._env, question)
        self._conductor = Conductor(self._env, question, self._draw)
        self._tally = _Tally()

    def outcome(self) -> Outcome:
        failures, gpus = self._question.failures, self._question.gpus
        self._env.process(self._often(failures.crashes_per_gpu_hour * gpus, self._crash))
        self._env.process(self._often(failures.worker_losses_per_hour, self._conductor.lose_worker))
        self._env.run(until=self._env.process(self._corpus()))
        return self._told()

    def _corpus(self) -> Steps:
        """Run after run."""
        size = self._question.shard_phrases
        left = [
            Shard(number, min(size, self._question.phrases - number * size)) for number in range(self._question.shards)
        ]
        in_vain = 0
        while left:
            before = len(left)
            yield from self._run(left[: self._question.shards_a_run])
            left = [shard for shard in left if not shard.committed]
            in_vain = in_vain + 1 if len(left) == before else 0
            if in_vain == RUNS_IN_VAIN:
                raise SimulationError(
                    f"{RUNS_IN_VAIN} runs committed nothing: tasks die with their workers before they are through; "
                    "let fewer workers fail, or make smaller shards"
                )

    def _run(self, shards: Sequence[Shard]) -> Steps:
        self._tally.runs += 1
        start_s, end_s = self._question.run_start_s / 2, self._question.run_end_s
        for kind in (Kind.PREFLIGHT, Kind.PLAN):
            done = yield self._conductor.submit(kind, self._pause(start_s))
            if not done:
                return
        yield self._env.all_of([self._env.process(self._shard(shard)) for shard in shards])
        yield self._conductor.submit(Kind.CLOSE, self._pause(end_s))

    def _shard(self, shard: Shard) -> Steps:
        """Its three tasks, one after the other; ends early when one of them has no try left."""
        validate_s, publish_s = (step.of(shard.phrases) for step in (self._question.validate, self._question.publish))
        steps: tuple[tuple[Kind, Callable[[], Steps]], ...] = (
            (Kind.GENERATE, lambda: self._write(shard)),
            (Kind.VALIDATE, self._pause(validate_s)),
            (Kind.PUBLISH, self._pause(publish_s)),
        )
        for kind, work in steps:
            done = yield self._conductor.submit(kind, work)
            if not done:
                return
        shard.committed = True
        self._tally.commits.append(Commit(self._env.now, shard.number, shard.phrases))

    def _write(self, shard: Shard) -> Steps:
        """Write what is missing of a shard; killed, its whole blocks stay in staging."""
        if shard.staged == shard.phrases:
            return
        yield self._env.timeout(self._question.generate_s)
        began = self._env.now
        writing = self._engines.write(shard.number, shard.phrases - shard.staged)
        try:
            yield writing.done
            shard.staged = shard.phrases
            self._tally.written_s.append(shard.writing_s + self._env.now - began)
        except simpy.Interrupt:
            written = self._engines.written_of(writing)
            kept = self._engines.stop(writing)
            shard.staged += kept
            shard.writing_s += self._env.now - began
            self._tally.redone += written - kept
            raise

    def _pause(self, seconds: float) -> Callable[[], Steps]:
        def work() -> Steps:
            yield self._env.timeout(seconds)

        return work

    def _often(self, per_hour: float, fail: Callable[[], None]) -> Generator[simpy.Event, Any, None]:
        """Let something fail so often, at times that know nothing of each other."""
        if not per_hour:
            return
        while True:
            yield self._env.timeout(self._draw.expovariate(per_hour / 3600))
            fail()
            if self._tally.crashes + self._conductor.worker_losses > MOST_FAILURES:
                raise SimulationError(
                    f"more than {MOST_FAILURES:,} failures before the corpus is done; ask for fewer failures or phrases"
                )

    def _crash(self) -> None:
        engine = self._draw.randrange(self._question.engines)
        lost_s = self._engines.crash(engine)
        if lost_s is not None:
            self._tally.crashes += 1
            self._env.process(self._restart(engine, lost_s))

    def _restart(self, engine: int, lost_s: float) -> Steps:
        """It is away until it has restarted, and as long again as its answers in flight had been written."""
        yield self._env.timeout(self._question.failures.restart_s + lost_s / 2)
        self._engines.back(engine)

    def _told(self) -> Outcome:
        question, conductor, tally, seconds = self._question, self._conductor, self._tally, self._env.now
        conductor.count()
        whole = seconds or 1.0
        used = [total / whole for total in conductor.task_s]
        return Outcome(
            seconds=seconds,
            phrases=sum(commit.phrases for commit in tally.commits),
            runs=tally.runs,
            busy=min(1.0, self._engines.written / (question.full_rate * whole)),
            scheduler_busy=min(1.0, conductor.started / question.starts_per_s / whole),
            pool_used=used[Kind.GENERATE],
            validate_used=used[Kind.VALIDATE] / question.validate_at_once,
            publish_used=used[Kind.PUBLISH] / question.publish_at_once,
            tasks_used=sum(used) / question.tasks_at_once,
            shard_s=sum(tally.written_s) / len(tally.written_s),
            longest_shard_s=max(tally.written_s),
            tasks_started=conductor.started,
            tasks_lost=conductor.lost,
            crashes=tally.crashes,
            worker_losses=conductor.worker_losses,
            phrases_redone=round(tally.redone),
            commits=tuple(tally.commits),
        )
