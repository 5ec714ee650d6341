"""A night as it went, and what `phrasemill simulate` is told of the fleet from it."""

import datetime as dt
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
from phrasemill.simulation import Question, StepTime
from phrasemill.spec import CorpusSpec
from tests.scheduler.corpus import Corpus

BEFORE = {
    "plan": "preflight",
    "shard.generate": "plan",
    "shard.validate": "shard.generate",
    "shard.publish": "shard.validate",
}


@dataclass(frozen=True)
class Task:
    """The last try of a task instance; times are in seconds since its run began."""

    name: str
    number: int
    """Of the shard in the run; -1 for the others."""
    worker: str
    tries: int
    queued: float
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


@dataclass(frozen=True)
class Night:
    """A run that has ended, with the manifests of its shards."""

    began: dt.datetime
    seconds: float
    tasks: list[Task]
    entries: list[dict[str, Any]]
    """Task instances as Airflow tells them."""
    manifests: list[Manifest]

    @classmethod
    def of(cls, corpus: Corpus, run_id: str) -> Self:
        """Ask Airflow and the bucket."""
        (run,) = (run for run in corpus.runs() if run["dag_run_id"] == run_id)
        began = when(run["start_date"])

        def since(moment: dt.datetime) -> float:
            return (moment - began).total_seconds()

        def task(entry: dict[str, Any]) -> Task:
            times = (since(when(entry[name])) for name in ("queued_when", "start_date", "end_date"))
            return Task(entry["task_id"], entry["map_index"], entry["hostname"], entry["try_number"], *times)

        entries = corpus.api.task_instances(corpus.dag_id, run_id)
        entries = [entry for entry in entries if entry["queued_when"]]  # where there is no shard they are skipped
        tasks = sorted(map(task, entries), key=lambda one: one.started)
        manifests = [manifest for manifest in corpus.manifests() if manifest.run_id == run_id]
        return cls(began, since(when(run["end_date"])), tasks, entries, manifests)

    def named(self, name: str) -> list[Task]:
        return [task for task in self.tasks if task.name == name]

    def workers(self, name: str | None = None) -> Counter[str]:
        """How many task instances each worker had."""
        return Counter(task.worker for task in self.tasks if name in {None, task.name})

    def figures(self) -> dict[str, Any]:
        """As JSON."""
        names = list(dict.fromkeys(task.name for task in self.tasks))
        return {
            "seconds": round(self.seconds, 1),
            "phrases": sum(manifest.rows for manifest in self.manifests),
            "phrases_per_s": round(sum(manifest.rows for manifest in self.manifests) / self.seconds, 2),
            "shards": len(self.manifests),
            "tasks_of_workers": dict(self.workers()),
            "tasks": {name: _figures_of(self.named(name)) for name in names},
        }

    def waited_s(self) -> list[float]:
        """From the moment each task could start until it did."""
        ends = {(task.name, task.number): task.ended for task in self.tasks}

        def ready(task: Task) -> float:
            if task.name == "close_night":
                return max(ended for (name, _), ended in ends.items() if name != "close_night")
            if task.name == "preflight":
                return 0.0
            before = BEFORE[task.name]
            return ends[before, task.number if (before, task.number) in ends else -1]

        return [task.started - ready(task) for task in self.tasks]


def question_of(nights: list[Night], spec: CorpusSpec, *, tokens_per_s: float, **fields: Any) -> Question:
    """What is to be simulated for a night over a whole corpus, on the fleet that had these small nights.

    Args:
        nights: what their tasks took, on average; of tasks that nights without phrases had too, what they took there,
            since the first of a worker's tasks takes longer than all others.
        spec: the corpus.
        tokens_per_s: of one engine.
        fields: how many of what the fleet has.
    """
    facts = [manifest.facts for night in nights for manifest in night.manifests]
    writing = _mean(map(_written_s, facts))
    took = _seconds_of([night for night in nights if night.manifests])
    took |= _seconds_of([night for night in nights if not night.manifests])
    waited = statistics.median(seconds for night in nights for seconds in night.waited_s())
    # A start is what every task has: the shortest task is little else.
    start = min(took["preflight"], took["plan"], took["shard.publish"], took["close_night"])
    return Question(
        phrases=spec.target_phrases,
        shard_phrases=spec.shard_phrases,
        block_phrases=spec.block_phrases,
        shards_a_run=spec.shard_count,
        in_flight=spec.engines.in_flight,
        sequences=spec.engines.in_flight,
        phrases_per_s=tokens_per_s * sum(one.accepted for one in facts) / sum(one.completion_tokens for one in facts),
        task_start_s=waited + start,
        run_start_s=took["preflight"] + took["plan"] - 2 * start,
        generate_s=max(0.0, took["shard.generate"] - writing - start),
        validate=StepTime(max(0.0, took["shard.validate"] - start)),
        publish=StepTime(took["shard.publish"] - start),
        run_end_s=took["close_night"] - start,
        **fields,
    )


def when(time: str) -> dt.datetime:
    return dt.datetime.fromisoformat(time)


def _written_s(facts: Facts) -> float:
    """From the first prompt until the last block was full."""
    assert facts.started_at and facts.finished_at
    return (facts.finished_at - facts.started_at).total_seconds()


def _seconds_of(nights: list[Night]) -> dict[str, float]:
    """What an instance of each task took on average."""
    names = {task.name for night in nights for task in night.tasks}
    return {name: _mean(task.seconds for night in nights for task in night.named(name)) for name in names}


def _figures_of(tasks: list[Task]) -> dict[str, Any]:
    waits = [task.started - task.queued for task in tasks]
    return {
        "instances": len(tasks),
        "tries": sum(task.tries for task in tasks),
        "seconds": [round(task.seconds, 1) for task in tasks],
        "queued_to_started_s": {"median": round(statistics.median(waits), 2), "most": round(max(waits), 2)},
    }


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)
