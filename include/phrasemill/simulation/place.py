"""A place: a question with its figures from the forecast's book, and the executor and GPUs that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from phrasemill.forecast.book import Constant, shipped_book
from phrasemill.forecast.model import forecast
from phrasemill.forecast.premises import profile_of
from phrasemill.forecast.question import Evidence
from phrasemill.forecast.question import Question as Forecasted
from phrasemill.ranges import Range
from phrasemill.simulation.question import Question, SimulationError, StepTime
from phrasemill.spec import MAX_SHARDS, CorpusSpec

Executor = Literal["local", "celery", "kubernetes"]
SIZES = (1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
"""Shards that are tried. A corpus file takes up to 1,000,000."""
FEWEST_WORKERS = 2
"""Of a fleet: one may die."""


@dataclass(frozen=True, slots=True)
class Place:
    """A question, and what it is about."""

    question: Question
    executor: Executor
    title: str
    standing: Mapping[str, Constant]
    """Figures that it stands on, by name."""


def place_of(
    asked: Forecasted,
    *,
    evidence: Evidence,
    executor: Executor,
    settings: Mapping[str, Any],
    spec: CorpusSpec | None = None,
) -> Place:
    """The place that a forecast's question is about: its phrases on its engines, at the rate that is forecast.

    Args:
        asked: corpus or target, model and GPUs.
        evidence: what was measured on the corpus.
        executor: Airflow's.
        settings: fields of `Question` that are given; they go before a corpus's and the book's.
        spec: the corpus, for its sizes.

    Raises:
        SimulationError: it is about a hosted API or streams, or the figures do not go together.
        ForecastError: see `forecast`.
    """
    if executor == "local" and settings.get("workers", 1) > 1:
        raise SimulationError("the LocalExecutor runs on one machine: leave --workers out, or take --executor celery")
    if asked.streams is not None:
        raise SimulationError("only engines of your own are simulated, no streams and no hosted API; leave streams out")
    book, answer = shipped_book(), forecast(asked, evidence=evidence)
    engines = answer.engines or asked.gpus
    profile = profile_of(asked, book)
    accepted = min(1.0, answer.phrases.likely / answer.outputs.likely)
    tokens = answer.completion_tokens.likely / answer.outputs.likely
    stream = book.constant("stream_tokens_per_s", asked.gpu)
    tasks_a_second = book.constant("task_instances_per_s")
    standing = {
        "phrases_per_s": _rate(answer.phrases_per_s.times(1 / engines), engines),
        "stream_tokens_per_s": stream,
        "task_instances_per_s": tasks_a_second,
        f"task_start_s.{executor}": figure(f"task_start_s.{executor}"),
        **{name: constant for name, constant in figures().items() if not name.startswith("task_start_s")},
    }
    known = {
        **_sizes(round(answer.phrases.likely), spec),
        "engines": engines,
        "engines_per_gpu": max(1, engines // asked.gpus),
        "phrases_per_s": answer.phrases_per_s.likely / engines,
        "accept_share": accepted,
        "lone_answer_s": tokens / stream.value.likely,
        "sequences": profile.max_num_seqs if profile else book.constant("sequences_an_engine", asked.gpu).value.likely,
        "task_phrases_per_s": likely("phrases_per_cpu_s") * likely("task_core_share"),
        "generate_s": likely("generate_s"),
        "validate": StepTime(likely("validate_s"), likely("validate_s_per_1000") / 1000),
        "publish": StepTime(likely("publish_s"), likely("publish_s_per_1000") / 1000),
        "starts_per_s": tasks_a_second.value.likely,
        "task_start_s": start_s(executor),
        "run_start_s": likely("run_start_s"),
        "run_end_s": likely("run_end_s"),
    }
    if profile and "in_flight" not in known:
        known["in_flight"] = profile.in_flight
    question = Question(**(known | {name: value for name, value in settings.items() if value is not None}))
    if executor != "local" and settings.get("workers") is None:
        question = replace(question, workers=workers_for(question))
    title = f"{question.phrases:,} phrases of {asked.model} on {asked.gpus:,} x {asked.gpu}"
    return Place(question, executor, title, standing)


def workers_for(question: Question) -> int:
    """Workers of a fleet for the tasks that may run at once."""
    wanted = min(question.run_tasks, question.pool_slots + question.validate_at_once + question.publish_at_once)
    return max(FEWEST_WORKERS, -(-wanted // question.worker_tasks))


def start_s(executor: Executor) -> float:
    """Seconds that a task instance takes to start with an executor."""
    return likely(f"task_start_s.{executor}")


def likely(name: str) -> float:
    """The likely value of a figure of figures.yaml."""
    return figure(name).value.likely


def figure(name: str) -> Constant:
    """A figure of figures.yaml, with unit and source."""
    return figures()[name]


@cache
def figures() -> Mapping[str, Constant]:
    """All figures of figures.yaml."""
    text = files("phrasemill.simulation").joinpath("figures.yaml").read_text(encoding="utf-8")
    return {name: Constant.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def _rate(rate: Range, engines: int) -> Constant:
    return Constant(
        words=f"accepted phrases a second of one of {engines} engines",
        value=rate,
        unit="phrases/s",
        kind="derived",
        source="phrasemill forecast of the same target, model and GPUs, which says what it stands on",
    )


def _sizes(phrases: int, spec: CorpusSpec | None) -> dict[str, Any]:
    """Sizes of a corpus file, which has whole shards; or the book's, or the next that so many phrases need."""
    if spec is not None:
        return {
            "phrases": -(-phrases // spec.shard_phrases) * spec.shard_phrases,
            "shard_phrases": spec.shard_phrases,
            "block_phrases": spec.block_phrases,
            "shards_a_run": spec.schedule.shards_per_night,
            "in_flight": spec.engines.in_flight,
        }
    usual = int(shipped_book().constant("phrases_a_shard").value.likely)
    least = -(-phrases // MAX_SHARDS)
    size = next((size for size in SIZES if size >= max(usual, least)), least)
    return {"phrases": phrases, "shard_phrases": max(1, min(size, phrases))}
