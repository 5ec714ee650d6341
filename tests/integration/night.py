"""Works shards off as Airflow does, task by task with retries, while a striker interferes; keeps what happened."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.integration.processes import GIVEN_UP_AFTER_S, Outcome, TaskProcess
from tests.integration.protocol import Point, Trap
from tests.integration.whole import Found
from tests.integration.yard import BLOCK, BLOCKS_IN_FLIGHT, WINDOW, Yard

STEPS = ("generate", "validate", "publish")
TRIES = 60
COUNTS = ("tried", "struck", "killed", "retry", "green", "red", "most_redone")
USUAL_S = {"generate": 0.6, "validate": 0.8, "publish": 0.5}
"""A first guess at how long a step takes; the medians of undisturbed tries take its place."""


@dataclass(frozen=True)
class Try:
    """One process, and how it ended."""

    shard: int
    step: str
    deed: str
    """What was done to it; empty if nothing was planned."""
    struck: bool
    """Whether that came before its end."""
    code: int
    said: str
    seconds: float
    redone: int = 0
    """Phrases asked for whose answers lie in no staged block: what the next try asks for again."""


class Striker(Protocol):
    """Interferes with a process at work."""

    def plan(self, yard: Yard, shard: int, step: str) -> str:
        """What it will do to the next try, in words; empty for nothing."""

    def strike(self, yard: Yard, process: TaskProcess) -> bool:
        """Do it; whether it came before the process's end."""


@dataclass
class Night:
    """The tries of some shards of one corpus."""

    yard: Yard
    striker: Striker
    tries: list[Try] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, shards: Sequence[int]) -> None:
        """Every task until it is green, as often as it takes."""
        for shard in shards:
            for step in STEPS:
                if not self._until_green(shard, step):
                    break

    def _until_green(self, shard: int, step: str) -> bool:
        for _ in range(TRIES):
            done = self._try(shard, step)
            self.tries.append(done)
            if done.code == 0:
                return True
            if not Outcome(done.code, done.said, 0).again:
                self.wrong.append(f"{step} of shard {shard} ends with {done.code}: {done.said}")
                return False
        self.wrong.append(f"{step} of shard {shard} is not green after {TRIES} tries")
        return False

    def _try(self, shard: int, step: str) -> Try:
        yard = self.yard
        generating = step == "generate"
        before = yard.asked() - yard.judged_in_staging(shard) if generating else 0
        deed = self.striker.plan(yard, shard, step)
        process = yard.start(step, shard)
        struck = bool(deed) and self.striker.strike(yard, process)
        outcome = process.end()
        yard.proxy.clear()
        redone = yard.asked() - yard.judged_in_staging(shard) - before if generating else 0
        engine_died = struck and "engine" in deed
        limit = BLOCKS_IN_FLIGHT * BLOCK + WINDOW * engine_died
        if redone > (limit if not outcome.done else WINDOW * engine_died):
            self.wrong.append(f"{step} of shard {shard}, {deed or 'undisturbed'}: {redone} phrases are asked for again")
        return Try(shard, step, deed, struck, outcome.code, outcome.said, round(outcome.seconds, 3), redone)

    def verify(self) -> Found:
        """What an independent reader of the bucket finds; whatever is wrong with it is noted."""
        found = self.yard.find()
        self.wrong += found.wrong
        self.wrong += [f"orphan {key}" for key in found.orphans]
        spare = self.yard.asked() - found.phrases - found.rejected
        interrupted = sum(1 for one in self.tries if one.step == "generate" and one.code)
        broken = sum(1 for one in self.tries if one.struck and "engine" in one.deed)
        if spare > interrupted * BLOCKS_IN_FLIGHT * BLOCK + broken * WINDOW:
            self.wrong.append(f"{spare} phrases were asked for beyond those needed, in {interrupted} interruptions")
        return found


@dataclass
class NamedStriker:
    """Kills at named steps, each shard at those of its list, one a try."""

    points: dict[int, list[Point]]
    _trap: Trap | None = None

    def plan(self, yard: Yard, shard: int, step: str) -> str:
        pending = self.points.get(shard, [])
        if not pending or pending[0].step != step:
            self._trap = None
            return ""
        point = pending.pop(0)
        self._trap = point.arm(yard.proxy, shard)
        return f"task killed {point.name}"

    def strike(self, yard: Yard, process: TaskProcess) -> bool:
        if self._trap is None:
            return False
        self._trap.watch(process)
        process.join(GIVEN_UP_AFTER_S)
        return self._trap.sprung


@dataclass
class RandomStriker:
    """Kills at random times, `kills_a_shard` tries of each shard at most, until `budget` is spent.

    What dies is drawn by chance, once each kind of death has come.
    """

    dice: random.Random
    budget: int
    kills_a_shard: int = 6
    undisturbed: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    _due: list[str] = field(default_factory=lambda: ["S3 server killed", "engine killed", "task killed"])
    _left: dict[int, int] = field(default_factory=dict)
    _deed: str = ""

    def plan(self, yard: Yard, shard: int, step: str) -> str:
        left = self._left.setdefault(shard, self.kills_a_shard)
        if left and step == "generate" and self._due:  # the one step that needs all three
            self._deed = self._due.pop()
            self._left[shard] -= 1
        elif not left or self.budget <= 0 or self.dice.random() < 0.25:
            self._deed = ""
        else:
            deeds = ["task killed"] * 8 + ["S3 server killed", "task and S3 server killed"]
            deeds += ["engine killed", "task and engine killed"] * (step == "generate")
            self._deed = self.dice.choice(deeds)
            self._left[shard] -= 1
        return self._deed

    def strike(self, yard: Yard, process: TaskProcess) -> bool:
        times = self.undisturbed[process.task.step][-9:]
        usual = statistics.median(times) if times else USUAL_S[process.task.step]
        if process.join(self.dice.uniform(0, usual)):
            return False
        if "S3" in self._deed:
            yard.s3.kill()
        if "task" in self._deed:
            process.kill()
        if "engine" in self._deed:
            yard.break_engine()
        if "S3" in self._deed:
            yard.s3.start()
        self.budget -= 1
        return True

    def learn(self, tries: Sequence[Try]) -> None:
        """How long undisturbed tries took."""
        for one in tries:
            if not one.deed and not one.code:
                self.undisturbed[one.step].append(one.seconds)


def summary(tries: Sequence[Try]) -> list[dict[str, Any]]:
    """A row for every deed and step: how often tried, what became of the process."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in tries:
        if not one.deed:
            continue
        row = rows.setdefault(
            (one.step, one.deed),
            {"step": one.step, "deed": one.deed} | dict.fromkeys(COUNTS, 0),
        )
        outcome = Outcome(one.code, one.said, one.seconds)
        row["tried"] += 1
        row["struck"] += one.struck
        end = "green" if outcome.done else "killed" if outcome.killed else "retry" if outcome.again else "red"
        row[end] += 1
        row["most_redone"] = max(row["most_redone"], one.redone)
    return sorted(rows.values(), key=lambda row: (STEPS.index(row["step"]), row["deed"]))
