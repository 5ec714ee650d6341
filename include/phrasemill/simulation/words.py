"""Words: what came of a simulation and what to change, in plain sentences."""

from collections.abc import Iterator

from phrasemill.range_words import short, time_unit
from phrasemill.simulation.changes import LONGEST_SHARD_S, MATTERS, Advice, Change
from phrasemill.simulation.outcome import Outcome
from phrasemill.simulation.place import Place, likely
from phrasemill.simulation.question import Question
from phrasemill.spec import MAX_SHARDS_A_NIGHT

EXECUTOR_NAMES = {"local": "LocalExecutor", "celery": "CeleryExecutor", "kubernetes": "KubernetesExecutor"}
SETTINGS = {
    "shard_phrases": ("Make shards of {after:,} phrases instead of {before:,}", "shard_phrases in the corpus file"),
    "slots": ("Give the pool {after} slots instead of {before}", "pool engines"),
    "validate_at_once": (
        "Let {after} shards pass the gate at once instead of {before}",
        "PHRASEMILL_VALIDATE_TASKS where Airflow's Dag processor runs",
    ),
    "publish_at_once": (
        "Let {after} shards be published at once instead of {before}",
        "PHRASEMILL_PUBLISH_TASKS where Airflow's Dag processor runs",
    ),
    "run_tasks": (
        "Let a run have {after} tasks at once instead of {before}",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG, with AIRFLOW__CORE__PARALLELISM at least as high",
    ),
}
"""What to do for a change, and where it is set."""
MOSTLY_BUSY, TINY_S = 0.85, 1e-9
MUCH_MEMORY = 2e9
"""Bytes of one validate from which on it is worth a line."""


def time_words(seconds: float) -> str:
    """A time in the unit that fits it: '12 s', '1.41 h'."""
    unit_s, name = time_unit(seconds)
    return f"{short(seconds / unit_s, 3)} {name}"


def percent(share: float) -> str:
    """A share as '41 %'."""
    return f"{share:.0%}".replace("%", " %")


def advice_lines(place: Place, now: Outcome, advice: Advice, then: Outcome) -> Iterator[str]:
    """What bounds, what to change and what that brings, then what to look out for; a sentence or two each."""
    question = place.question
    yield (
        f"Shards of {question.shard_phrases:,} are written in {time_words(now.shard_s)} each, and the engines are "
        f"{percent(now.busy)} busy. {_why(place, advice)}"
    )
    for change in advice.changes:
        yield f"{change_words(change)} {_worth(change)}"
    if advice.changes:
        yield (
            f"Then it takes {time_words(then.seconds)} instead of {time_words(now.seconds)}, with engines "
            f"{percent(then.busy)} busy."
        )
    yield from _warnings(advice.place, then)


def change_words(change: Change) -> str:
    """What to set, and where."""
    before, after = change.before, change.after
    if change.name == "workers":
        return f"Take {executor_words(*after)} instead of {executor_words(*before)}."
    if change.name == "starts_per_s":
        return (
            f"Airflow must start {after:.1f} tasks a second instead of {before:.1f}: {round(after / before)} "
            "schedulers, or one on faster cores with a faster database."
        )
    what, where = SETTINGS[change.name]
    return f"{what.format(after=after, before=before)} ({where})."


def executor_words(executor: str, workers: int) -> str:
    """An executor with its workers: 'the CeleryExecutor with 3 workers'."""
    if executor == "local":
        return "the LocalExecutor"
    return f"the {EXECUTOR_NAMES[executor]} with {workers} worker{'s'[: workers > 1]}"


def _why(place: Place, advice: Advice) -> str:
    """What bounds, with the rate that it lets through."""
    question = place.question
    match advice.bottleneck:
        case None if advice.now.busy > MOSTLY_BUSY:
            return "Nothing else bounds: more phrases a second take more GPUs."
        case None:
            return "The rest goes by at the start and end of runs and shards, and no setting changes much about it."
        case "run_tasks" | "workers":
            return f"Only {question.tasks_at_once} tasks run at once, too few for {question.engines:,} engines."
        case "slots":
            return f"The pool lets {question.pool_slots} shards be written at once, too few for these engines."
    through, what = min(_capacities(question))
    if through > question.full_rate:
        return "Each shard's start and end, which do not fill the engines, take the rest of the time."
    engines = f"the engines could write {short(question.full_rate, 3)} phrases/s"
    return f"{what}: {short(through, 3)} phrases/s at most, where {engines}."


def _capacities(question: Question) -> Iterator[tuple[float, str]]:
    """Phrases a second that Airflow, gate and publishing let through, and why."""
    size = question.shard_phrases
    starts = short(question.starts_per_s, 2)
    yield question.starts_per_s / 3 * size, f"Airflow starts {starts} tasks a second, and a shard has three"
    for step, at_once, what in (
        (question.validate, question.validate_at_once, "pass the gate"),
        (question.publish, question.publish_at_once, "are published"),
    ):
        seconds = step.of(size) + question.task_start_s
        yield at_once * size / max(seconds, TINY_S), f"{at_once} shards {what} at once, in {time_words(seconds)} each"


def _worth(change: Change) -> str:
    if change.slower < 1 + MATTERS:
        return "A task should not run longer than half an hour."
    return f"Without it, and with all the rest, it takes {short(change.slower, 3)} times as long."


def _warnings(place: Place, outcome: Outcome) -> Iterator[str]:
    question = place.question
    if outcome.longest_shard_s > LONGEST_SHARD_S:
        yield (
            f"A shard is written in {time_words(outcome.longest_shard_s)}: Airflow's tasks of more than half an hour "
            "meet bugs with tokens and heartbeats. Make smaller shards."
        )
    if outcome.runs > 1:
        most = " (Airflow maps no more)" if question.shards_a_run == MAX_SHARDS_A_NIGHT else ""
        yield f"It takes {outcome.runs} runs of up to {question.shards_a_run:,} shards{most}, here one after the other."
    memory = likely("validate_mb_per_1000") / 1000 * 1e6 * question.shard_phrases
    if memory > MUCH_MEMORY:
        at_once = min(question.validate_at_once, question.workers * question.worker_tasks)
        yield f"One validate takes about {memory / 1e9:.1f} GB of memory, and {at_once} of them may run at once."
    if outcome.tasks_lost:
        yield (
            f"{outcome.worker_losses} workers died with {outcome.tasks_lost} tasks; {outcome.phrases_redone:,} phrases "
            "were written twice, and every one is committed once."
        )
