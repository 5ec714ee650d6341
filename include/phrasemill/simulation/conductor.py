"""Conductor: Airflow as far as time goes. Starts task instances one after the other, within every limit there is.

A task instance that is ready waits for its limit (the pool's slots, or what a run may have of its kind), for one of the
tasks that may run at once, and for the scheduler, which starts so many a second. Those nearest to a commit go first, as
`weight_rule="upstream"` has it. Then it takes its start-up time, works, and gives everything back. One that dies with
its worker holds everything until Airflow notices, and is tried again after a delay.
"""

import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import simpy

from phrasemill.simulation.question import Question

Steps = Generator[simpy.Event, Any, None]
"""What a simulated process waits for, one after the other."""


class Kind(IntEnum):
    """Task instances of a run, those first that go first. Numbers, since they are looked up very often."""

    CLOSE = 0
    PUBLISH = 1
    VALIDATE = 2
    GENERATE = 3
    PLAN = 4
    PREFLIGHT = 5


@dataclass(slots=True, eq=False)
class Task:
    """One task instance.

    `work` is called for each try. Thrown an Interrupt, it keeps what can be kept, and ends.
    """

    kind: Kind
    work: Callable[[], Steps]
    ended: simpy.Event
    """Happens with True when its work is done, with False when no try is left."""
    tries: int = 0
    died: bool = False


@dataclass(slots=True, eq=False)
class Worker:
    """A machine, or a place for pods, that runs so many tasks at a time."""

    running: dict[Task, simpy.Process] = field(default_factory=dict)


class Conductor:
    """The scheduler and its workers.

    Args:
        env: the simulation's clock.
        question: see there.
        draw: spreads the delays before retries, and says which worker dies.
    """

    def __init__(self, env: simpy.Environment, question: Question, draw: random.Random) -> None:
        self._env = env
        self._question = question
        self._draw = draw
        limits = {
            Kind.GENERATE: question.pool_slots,
            Kind.VALIDATE: question.validate_at_once,
            Kind.PUBLISH: question.publish_at_once,
        }
        self._limits = [limits.get(kind, 1) for kind in Kind]
        self._ready: list[deque[Task]] = [deque() for _ in Kind]
        self._running = [0] * len(Kind)
        self._workers = [Worker() for _ in range(question.workers)]
        self._news = env.event()
        self._counted_at = 0.0
        self.task_s = [0.0] * len(Kind)
        """Seconds for which task instances of each kind held their places."""
        self.started = self.lost = self.worker_losses = 0
        env.process(self._start_tasks())

    def submit(self, kind: Kind, work: Callable[[], Steps]) -> simpy.Event:
        """Have a task instance started as soon as may be; what comes back happens with whether it was done."""
        task = Task(kind, work, self._env.event())
        self._make_ready(task)
        return task.ended

    def lose_worker(self) -> None:
        """Let a worker die with all its tasks. Another one takes its place at once."""
        worker = self._draw.choice(self._workers)
        self.worker_losses += 1
        for process in list(worker.running.values()):
            process.interrupt()

    def count(self) -> None:
        """Bring `task_s` up to now."""
        seconds = self._env.now - self._counted_at
        self._counted_at = self._env.now
        for kind, running in enumerate(self._running):
            self.task_s[kind] += running * seconds

    def _make_ready(self, task: Task) -> None:
        self._ready[task.kind].append(task)
        self._tell()

    def _tell(self) -> None:
        if not self._news.triggered:
            self._news.succeed()

    def _start_tasks(self) -> Steps:
        pause = 1 / self._question.starts_per_s
        while True:
            task = self._next_task()
            if task is None:
                self._news = self._env.event()
                yield self._news
                continue
            self.count()
            self._running[task.kind] += 1
            self.started += 1
            self._env.process(self._try(task))
            if pause:
                yield self._env.timeout(pause)

    def _next_task(self) -> Task | None:
        if sum(self._running) >= self._question.tasks_at_once:
            return None
        for waiting, running, limit in zip(self._ready, self._running, self._limits, strict=True):
            if waiting and running < limit:
                return waiting.popleft()
        return None

    def _try(self, task: Task) -> Steps:
        """One try of a task, from its start by the scheduler until its places are free again."""
        worker = min(self._workers, key=lambda one: len(one.running))
        task.tries += 1
        task.died = False
        process = self._env.process(self._work(task))
        worker.running[task] = process
        yield process
        del worker.running[task]
        if task.died:
            yield self._env.timeout(self._question.failures.detection_s)
        self.count()
        self._running[task.kind] -= 1
        self._tell()
        if not task.died:
            task.ended.succeed(True)
        elif task.tries > self._question.failures.retries:
            task.ended.succeed(False)
        else:
            yield self._env.timeout(self._delay(task.tries))
            self._make_ready(task)

    def _work(self, task: Task) -> Steps:
        try:
            yield self._env.timeout(self._question.task_start_s)
            yield from task.work()
        except simpy.Interrupt:
            task.died = True
            self.lost += 1

    def _delay(self, tries: int) -> float:
        """Doubled with every try, and between once and twice that (Airflow's next_retry_datetime)."""
        failures = self._question.failures
        least = failures.retry_delay_s * 2.0 ** (tries - 1)
        return min(least * self._draw.uniform(1, 2), failures.longest_delay_s)
