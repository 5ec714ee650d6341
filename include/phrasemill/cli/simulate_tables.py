"""Simulations as tables for a terminal and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from phrasemill.forecast.words import range_words, short
from phrasemill.simulation.changes import Advice, Estimate
from phrasemill.simulation.outcome import Outcome
from phrasemill.simulation.place import Place
from phrasemill.simulation.question import Question
from phrasemill.simulation.sweep import Step
from phrasemill.simulation.words import EXECUTOR_NAMES, percent, time_words


def outcome_table(place: Place, now: Outcome, advice: Advice, then: Outcome) -> Table:
    """Settings and what comes of them, as they are and, if something should be changed, as they should be."""
    table = Table("", "as it is", title=place.title)
    rows = list(_rows(place, now))
    if advice.changes:
        table.add_column("as advised")
        advised = [words for _, words in _rows(advice.place, then)]
        for (name, words), other in zip(rows, advised, strict=True):
            table.add_row(name, words, Text(other, style="bold" if other != words else ""))
    else:
        for name, words in rows:
            table.add_row(name, words)
    return table


def standing_table(place: Place) -> Table:
    """The figures that a simulation stands on."""
    table = Table("figure", "value", "kind", "source", title="What it stands on; the likely value is what counts")
    for one in place.standing.values():
        bare = one.unit in {"share", "ratio"}
        value = range_words(one.value, "" if bare else f" {one.unit}")
        table.add_row(one.words, value, one.kind, Text(one.source))
    return table


def sweep_table(steps: Sequence[Step]) -> Table:
    """A fleet a line: hours and busy engines as it is, then what to set and what that brings."""
    names = ("GPUs", "now", "busy", "shards of", "slots", "gate", "publish", "tasks", "executor", "starts/s", "runs")
    table = Table(*names, "then", "busy", title=f"{steps[0].place.question.phrases:,} phrases; bold: to be changed")
    for step in steps:
        question = step.advice.place.question
        table.add_row(
            f"{step.gpus}",
            *_estimate(step.advice.now),
            *(Text(words, style="bold" if changed else "") for words, changed in setting_cells(step)),
            f"{-(-question.shards // question.shards_a_run)}",
            *_estimate(step.advice.then),
        )
    return table


def setting_cells(step: Step) -> Iterator[tuple[str, bool]]:
    """What to set on a fleet, from the size of shards to the starts a second: in words, and whether it is changed."""
    changed = {change.name for change in step.advice.changes}
    place = step.advice.place
    question = place.question
    cells = {
        "shard_phrases": f"{question.shard_phrases:,}",
        "slots": f"{question.pool_slots}",
        "validate_at_once": f"{question.validate_at_once}",
        "publish_at_once": f"{question.publish_at_once}",
        "run_tasks": f"{question.run_tasks}",
        "workers": f"{place.executor}, {question.workers} workers" if place.executor != "local" else "local",
        "starts_per_s": f"{question.starts_per_s:.1f}",
    }
    return ((words, name in changed) for name, words in cells.items())


def as_dict(place: Place, outcome: Outcome) -> dict[str, Any]:
    """A place and its outcome for JSON: plain numbers, seconds and shares. Commits are counted, not listed."""
    told = {name: value for name, value in asdict(outcome).items() if name != "commits"}
    return {"executor": place.executor, "question": question_dict(place.question), "outcome": told}


def question_dict(question: Question) -> dict[str, Any]:
    """A question for JSON, with the slots that the pool has."""
    return asdict(question) | {"slots": question.pool_slots}


def changes_dict(advice: Advice) -> list[dict[str, Any]]:
    """What to change, for JSON."""
    return [asdict(change) for change in advice.changes]


def step_dict(step: Step) -> dict[str, Any]:
    """One fleet of a sweep, for JSON."""
    return {
        "gpus": step.gpus,
        "executor": step.place.executor,
        "question": question_dict(step.place.question),
        "now": asdict(step.advice.now),
        "then": asdict(step.advice.then),
        "changes": changes_dict(step.advice),
    }


def _rows(place: Place, outcome: Outcome) -> list[tuple[str, str]]:
    question = place.question
    executor = EXECUTOR_NAMES[place.executor]
    return [
        ("engines", f"{question.engines:,}, {short(question.phrases_per_s)} phrases/s each"),
        ("shards", f"{question.shards:,} of {question.shard_phrases:,}"),
        ("pool slots", f"{question.pool_slots}"),
        ("at the gate, publishing at once", f"{question.validate_at_once}, {question.publish_at_once}"),
        ("tasks of a run at once", f"{question.run_tasks}"),
        ("executor", f"{executor}, {question.workers} x {question.worker_tasks} tasks"),
        ("tasks started a second", f"{question.starts_per_s:.3g}, each after {question.task_start_s:.3g} s"),
        ("time", f"{time_words(outcome.seconds)} in {outcome.runs} run{'s'[: outcome.runs > 1]}"),
        ("phrases a second", short(outcome.phrases / outcome.seconds)),
        ("engines busy", percent(outcome.busy)),
        ("a shard is written in", f"{time_words(outcome.shard_s)}, at most {time_words(outcome.longest_shard_s)}"),
        ("pool slots used", f"{outcome.pool_used:.1f}"),
        ("scheduler busy", percent(outcome.scheduler_busy)),
        ("gate, publishing, tasks used", ", ".join(map(percent, _used(outcome)))),
        ("engines crashed, workers lost", f"{outcome.crashes:,}, {outcome.worker_losses:,}"),
        ("phrases written twice", f"{outcome.phrases_redone:,}"),
    ]


def _used(outcome: Outcome) -> tuple[float, float, float]:
    return outcome.validate_used, outcome.publish_used, outcome.tasks_used


def _estimate(estimate: Estimate) -> tuple[str, str]:
    return time_words(estimate.seconds), percent(estimate.busy)
