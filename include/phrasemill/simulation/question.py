"""Question: everything a simulation depends on, as plain figures. Nothing here has a source: `place` gives those."""

import math
from dataclasses import dataclass, field, fields

from phrasemill.errors import PhrasemillError
from phrasemill.sharing import slots_for
from phrasemill.spec import MAX_SHARDS, MAX_SHARDS_A_NIGHT

MOST_PHRASES = 10**12
MOST_ENGINES = 65_536
MOST_S = 1e7
"""The longest any one step or pause may take: four months."""


class SimulationError(PhrasemillError):
    """A question that cannot be simulated, or a picture of it that cannot be drawn; the message says what to do."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds that a step of a shard works: some for any shard, and some for each of its phrases."""

    fixed_s: float
    per_phrase_s: float = 0.0

    def of(self, phrases: int) -> float:
        """Seconds for a shard of so many phrases."""
        return self.fixed_s + self.per_phrase_s * phrases


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What breaks, how often, and what Airflow does about it."""

    crashes_per_gpu_hour: float = 0.0
    """Engines that die, for each GPU and hour."""
    restart_s: float = 94.0
    """From an engine's death until it answers again (docs/benchmarks.md, `kill -9` under load)."""
    worker_losses_per_hour: float = 0.0
    """Workers that die with all their tasks, an hour, of the whole fleet; another one is there at once."""
    detection_s: float = 305.0
    """From a worker's death until Airflow gives its tasks up: task_instance_heartbeat_timeout (300 s) and half of the
    ten seconds between two looks."""
    retries: int = 3
    """Of a task, within one run (airflow/default_args.py); the next run takes up what is left."""
    retry_delay_s: float = 30.0
    """Before the first retry at least, and up to twice as long: Airflow spreads it. Doubled with every try."""
    longest_delay_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A corpus, the engines that write it, and the Airflow that conducts them. Rates are of accepted phrases."""

    phrases: int
    """All that are to be committed."""
    shard_phrases: int
    """Of each shard; the last one may be smaller."""
    block_phrases: int = 1000
    """What a killed task has written is kept in whole blocks."""

    engines: int
    engines_per_gpu: int = 1
    """Counts for `crashes_per_gpu_hour` alone."""
    phrases_per_s: float
    """Accepted phrases a second of one engine that has enough prompts in flight, with its GPU shared as it will be."""
    accept_share: float = 1.0
    """Outputs that become phrases."""
    sequences: int = 512
    """Prompts in flight from which on an engine writes its full rate: max_num_seqs."""
    in_flight: int = 1024
    """Prompts that a task keeps in flight at an engine, and that all tasks together do (engines.in_flight)."""
    lone_answer_s: float = 0.0
    """Seconds of one answer in an engine that writes nothing else; 0: any number in flight gives the full rate."""
    task_phrases_per_s: float = math.inf
    """What the process of one task can write, however many engines it asks."""

    slots: int | None = None
    """Of pool `engines`: shards written at once. None: `sharing.slots_for` the engines."""
    generate_s: float = 0.0
    """What generate works beside writing: it connects, learns the chat template, and saves its last block."""
    validate: StepTime = StepTime(0.0)
    publish: StepTime = StepTime(0.0)
    validate_at_once: int = 2
    """In one run, as corpus_dag.py has it."""
    publish_at_once: int = 4
    run_tasks: int = 16
    """Task instances of one run at a time, whatever they do: max_active_tasks_per_dag."""
    workers: int = 1
    worker_tasks: int = 16
    """Task instances that one worker runs at a time; each is taken to have a core."""
    starts_per_s: float = math.inf
    """Task instances that Airflow starts a second."""
    task_start_s: float = 0.0
    """From the start of a task instance by the scheduler until its own work begins, its pool slot taken already."""
    shards_a_run: int = MAX_SHARDS_A_NIGHT
    run_start_s: float = 0.0
    """What preflight and plan work, together."""
    run_end_s: float = 0.0
    """What close_night works."""

    failures: Failures = field(default_factory=Failures)
    seed: int = 0

    def __post_init__(self) -> None:
        mistakes = [*_wrong_counts(self), *_wrong_figures(self)]
        if mistakes:
            raise SimulationError("; ".join(mistakes))

    @property
    def shards(self) -> int:
        """Shards of the corpus."""
        return -(-self.phrases // self.shard_phrases)

    @property
    def pool_slots(self) -> int:
        """Shards written at once."""
        return self.slots if self.slots is not None else slots_for(self.engines)

    @property
    def gpus(self) -> float:
        """GPUs, as many as the engines fill."""
        return self.engines / self.engines_per_gpu

    @property
    def tasks_at_once(self) -> int:
        """Task instances that Airflow and its workers can have running."""
        return min(self.run_tasks, self.workers * self.worker_tasks)

    @property
    def full_rate(self) -> float:
        """Phrases a second of all engines when every one of them is full."""
        return self.engines * self.phrases_per_s


def _wrong_counts(question: Question) -> list[str]:
    limits = {
        **{"phrases": MOST_PHRASES, "shard_phrases": MOST_PHRASES, "block_phrases": MOST_PHRASES},
        **{"engines": MOST_ENGINES, "engines_per_gpu": 64, "sequences": 100_000, "in_flight": 1_000_000},
        **{"validate_at_once": 10_000, "publish_at_once": 10_000, "run_tasks": 100_000, "workers": 10_000},
        **{"worker_tasks": 10_000, "shards_a_run": MAX_SHARDS_A_NIGHT},
    }
    wrong = [
        f"{name} must be from 1 to {most:,}, not {getattr(question, name):,}"
        for name, most in limits.items()
        if not 1 <= getattr(question, name) <= most
    ]
    if question.slots is not None and not 1 <= question.slots <= 100_000:
        wrong.append(f"slots must be from 1 to 100,000, not {question.slots:,}")
    if not 0 <= question.failures.retries <= 100:
        wrong.append(f"retries must be from 0 to 100, not {question.failures.retries:,}")
    if not wrong and question.shards > MAX_SHARDS:
        least = -(-question.phrases // MAX_SHARDS)
        wrong.append(
            f"{question.phrases:,} phrases in shards of {question.shard_phrases:,} are {question.shards:,} shards, and "
            f"a corpus has at most {MAX_SHARDS:,}; make shards of {least:,} or more"
        )
    return wrong


def _wrong_figures(question: Question) -> list[str]:
    above = {name: getattr(question, name) for name in ("phrases_per_s", "task_phrases_per_s", "starts_per_s")}
    wrong = [f"{name} must be above 0, not {value:g}" for name, value in above.items() if not value > 0]
    if math.isinf(question.phrases_per_s):
        wrong.append("phrases_per_s must be a number that engines can have, not inf")
    if not 0 < question.accept_share <= 1:
        wrong.append(f"accept_share must be above 0 and at most 1, not {question.accept_share:g}")
    plain = ("lone_answer_s", "task_start_s", "generate_s", "run_start_s", "run_end_s")
    times = {name: getattr(question, name) for name in plain}
    for step in ("validate", "publish"):
        time: StepTime = getattr(question, step)
        times |= {f"{step} {part.name}": getattr(time, part.name) for part in fields(time)}
    failures = question.failures
    names = ("crashes_per_gpu_hour", "restart_s", "worker_losses_per_hour", "detection_s")
    times |= {name: getattr(failures, name) for name in (*names, "retry_delay_s", "longest_delay_s")}
    wrong += [f"{name} must be from 0 to {MOST_S:g}, not {v:g}" for name, v in times.items() if not 0 <= v <= MOST_S]
    return wrong
