"""One contender's trials: two runs for its speed, and one that is killed half way and run again."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.spec import CorpusSpec
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.drivers.task import Left, Task
from tests.benchmarks.peers.environments import NotInstalled, python_of
from tests.benchmarks.peers.tree import Measured, Order, measure
from tests.servers import S3Server

LOOKS_WITHIN_S = 60


class TrialFailed(Exception):
    """A contender did not do what it was asked; says what happened."""


@dataclass(frozen=True)
class Round:
    """One run of a driver: its own figures, the engine's counters, and what else kept the machine busy meanwhile."""

    measured: Measured
    engine: dict[str, Any]
    storage_cpu_s: float
    other_cores: float


@dataclass(frozen=True)
class Speed:
    """The steady cost of a phrase, from the difference of a long and a short run; the rest of the short is start-up.

    `storage_cpu_s` is what the S3 server used during the long run, which is not counted as the client's. Meanwhile
    anything but client, engine and S3 server kept `other_cores` of the machine's cores busy.
    """

    phrases_per_cpu_second: float
    phrases_per_wall_second: float
    startup_cpu_s: float
    peak_rss_mb: float
    processes: int
    in_flight_seen: int
    answered: int
    storage_cpu_s: float
    other_cores: float
    short_run: Measured
    long_run: Measured


@dataclass(frozen=True)
class Crash:
    """What SIGKILL half way left, and what a rerun made of it.

    `answered_before` phrases had been answered when the kill struck. `kept` of them were on disk: `resumable` in what
    the tool resumes from, `in_output` in its output, some in both. The rerun got `answered_after` more. Of `phrases`
    asked for, `lost` are not in the output and `doubled` rows are there once too often; `redone` answers were paid for
    twice, None if it did not finish.
    """

    phrases: int
    answered_before: int
    kept: int
    resumable: int
    in_output: int
    rerun: str
    rerun_wall_s: float
    answered_after: int
    rows: int
    lost: int
    doubled: int
    redone: int | None
    complete: bool


@dataclass(frozen=True)
class Bench:
    """What all trials share."""

    engine: FakeEngineProcess
    s3: S3Server
    spec: CorpusSpec
    prompts: Path
    folder: Path


@dataclass
class Trial:
    """The trials of one contender. `results` holds what came of them, and in `problem` what went wrong, if it did."""

    bench: Bench
    contender: Contender
    results: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Do them all; a contender that fails is reported, and what it managed before is kept."""
        self.results = {"asked": self.contender.asked, "in_flight_asked": self.contender.in_flight}
        try:
            contender = self.contender
            self._python = python_of(contender.environment) if contender.environment else Path(sys.executable)
            self.results["speed"] = asdict(self._speed())
            if contender.crash:
                self.results["crash"] = asdict(self._crash())
        except (NotInstalled, TrialFailed, subprocess.SubprocessError) as error:
            self.results["problem"] = str(error)
        return self.results

    def _speed(self) -> Speed:
        few, many = self.contender.few, self.contender.many
        # The better of two: it is short, so that anything else on the machine weighs on it most.
        short = min((self._whole_run("few", few).measured for _ in range(2)), key=lambda run: run.wall_s)
        long = self._whole_run("many", many)
        cpu_s_a_phrase = (long.measured.cpu_s - short.cpu_s) / (many - few)
        wall_s = long.measured.wall_s - short.wall_s
        if min(cpu_s_a_phrase, wall_s) <= 0:
            raise TrialFailed(f"{few} phrases took longer than {many}; the machine is too busy to measure, try again")
        return Speed(
            phrases_per_cpu_second=1 / cpu_s_a_phrase,
            phrases_per_wall_second=(many - few) / wall_s,
            startup_cpu_s=short.cpu_s - few * cpu_s_a_phrase,
            peak_rss_mb=long.measured.peak_rss_mb,
            processes=long.measured.processes,
            in_flight_seen=long.engine["max_prompts_in_flight"],
            answered=long.engine["phrases"],
            storage_cpu_s=long.storage_cpu_s,
            other_cores=long.other_cores,
            short_run=short,
            long_run=long.measured,
        )

    def _whole_run(self, label: str, count: int) -> Round:
        """A run that has to end well and leave exactly the phrases asked for."""
        task = self._task(label, count)
        done = self._ask(task, label)
        if done.measured.outcome != "done":
            raise TrialFailed(f"a run of {count} phrases {self._what_happened(done, label)}")
        rows = Counter(self._left(task).output)
        if set(rows) != set(range(count)) or rows.total() != count:
            raise TrialFailed(f"a run of {count} phrases ended well with {len(rows)} phrases in {rows.total()} rows")
        return done

    def _crash(self) -> Crash:
        count = self.contender.crash
        task = self._task("crash", count)
        first = self._ask(task, "crash", kill_at=count // 2)
        if first.measured.outcome != "killed":
            raise TrialFailed(f"it was not killed half way: it {self._what_happened(first, 'crash')}")
        kept = self._left(task)
        again = self._ask(task, "rerun")
        before, after = first.engine["phrases"], again.engine["phrases"]
        rows = Counter(number for number in self._left(task).output if number < count)
        lost = count - len(rows)
        doubled = rows.total() - len(rows)
        done = again.measured.outcome == "done"
        return Crash(
            phrases=count,
            answered_before=before,
            kept=len({*kept.resumable, *kept.output}),
            resumable=len(set(kept.resumable)),
            in_output=len(set(kept.output)),
            rerun="done" if done else self._what_happened(again, "rerun"),
            rerun_wall_s=again.measured.wall_s,
            answered_after=after,
            rows=rows.total(),
            lost=lost,
            doubled=doubled,
            redone=max(0, before + after - count) if done else None,
            complete=done and not lost and not doubled,
        )

    def _servers_cpu_s(self) -> tuple[float, float]:
        """CPU time until now of the engine, and of this process's other children, which are the S3 server's."""
        engine = storage = 0.0
        for child in psutil.Process().children(recursive=True):
            used = child.cpu_times()
            if child.pid == self.bench.engine.pid:
                engine += used.user + used.system
            else:
                storage += used.user + used.system
        return engine, storage

    def _task(self, label: str, count: int) -> Task:
        contender, spec = self.contender, self.bench.spec
        folder = self.bench.folder / contender.driver / label
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options: Mapping[str, Any] = contender.options
        if contender.environment is None:
            endpoint = self.bench.s3.endpoint
            options = {**options, "endpoint": endpoint, "bucket": S3Server.new_bucket(endpoint)}
        return Task(
            url=self.bench.engine.url,
            model=self.bench.engine.model,
            prompts_file=str(self.bench.prompts),
            folder=str(folder),
            count=count,
            in_flight=contender.in_flight,
            max_tokens=spec.sampling.max_tokens,
            temperature=spec.sampling.temperature,
            options=dict(options),
        )

    def _ask(self, task: Task, label: str, *, kill_at: int | None = None) -> Round:
        """Run the driver."""
        self.bench.engine.reset()
        order = Order(
            command=self._command("ask", task),
            log=str(self._log(label)),
            limit_s=self.contender.limit_s,
            engine=self.bench.engine.url,
            kill_at=kill_at,
        )
        started, busy_s, (engine_s, storage_s) = time.monotonic(), _busy_s(), self._servers_cpu_s()
        measured = measure(order)
        busy_s = _busy_s() - busy_s
        engine_s, storage_s = (
            now - then for now, then in zip(self._servers_cpu_s(), (engine_s, storage_s), strict=True)
        )
        others_s = busy_s - measured.cpu_s - engine_s - storage_s
        return Round(measured, self.bench.engine.state(), storage_s, others_s / (time.monotonic() - started))

    def _left(self, task: Task) -> Left:
        result = subprocess.run(
            self._command("left", task), capture_output=True, text=True, timeout=LOOKS_WITHIN_S, check=False
        )
        if result.returncode:
            raise TrialFailed(f"what it left cannot be read: {result.stderr.strip()[-300:]}")
        return Left(**json.loads(result.stdout.splitlines()[-1]))

    def _command(self, action: str, task: Task) -> list[str]:
        module = f"tests.benchmarks.peers.drivers.{self.contender.driver}"
        return [str(self._python), "-m", module, action, task.to_json()]

    def _log(self, label: str) -> Path:
        return self.bench.folder / f"{self.contender.driver}-{label}.log"

    def _what_happened(self, failed: Round, label: str) -> str:
        measured, engine = failed.measured, failed.engine
        if measured.outcome == "timed out":
            return (
                f"did not end within {self.contender.limit_s:g} s; the engine had answered {engine['phrases']} "
                f"phrases and had {engine['lists_in_flight']} requests in flight"
            )
        said = self._log(label).read_text("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "nothing")
        return f"{measured.outcome} after {measured.wall_s:.0f} s; it said: {last[-200:]}"


def _busy_s() -> float:
    """CPU time of all that ever ran on this machine."""
    used = psutil.cpu_times()
    return float(used.user + used.nice + used.system + used.irq + used.softirq)
