"""Progress and failures of a task as Airflow metrics: StatsD or OpenTelemetry, whichever Airflow is configured for.

`phrasemill.metric_names` is the catalogue. Where Airflow sends no metrics nothing of this costs anything worth naming.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from airflow.sdk.observability import stats

from phrasemill import errors, metric_names
from phrasemill.errors import PhrasemillError
from phrasemill.metric_names import Metric
from phrasemill.progress import Progress

log = logging.getLogger(__name__)

TIMED_LISTS = 10
"""A look has some 150 lists at the full rate of a GPU: a packet each would say no more than ten do."""
KINDS: dict[type[PhrasemillError], str] = {
    errors.StoreError: "bucket",
    errors.EnginesDown: "engines",
    errors.EngineRefused: "engines",
    errors.GateFailed: "gate",
    errors.ShardHopeless: "shard",
    errors.StagingIncomplete: "shard",
    errors.NightIncomplete: "night",
}
OTHER_KIND = "setup"


class ProgressMetrics:
    """Turns a mill's progress into metrics and log lines; call it with every look at the mill.

    A context manager: when the task ends, however it ends, its gauges are set to 0. Those of a task that was killed
    stand until the metrics server forgets them (docker/metrics/statsd.yaml: after 3 minutes).
    """

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}
        self._of_shard: dict[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._of_shard is not None:
            for metric in metric_names.OF_SHARD:
                stats.gauge(metric.name, 0, tags=self._of_shard)

    def __call__(self, progress: Progress) -> None:
        """Log one line, and send what has changed since the last call."""
        log.info("%s", progress.line())
        tags = {"corpus": progress.corpus}
        self._count(metric_names.ACCEPTED, progress.accepted - progress.resumed, tags)
        for reason, count in progress.rejects.items():
            self._count(metric_names.REJECTED, count, tags | {"reason": reason})
        self._count(metric_names.PROMPT_TOKENS, progress.prompt_tokens, tags)
        self._count(metric_names.COMPLETION_TOKENS, progress.completion_tokens, tags)
        self._count(metric_names.LISTS, progress.lists, tags)
        for seconds in evenly(progress.list_seconds, TIMED_LISTS):
            stats.timing(metric_names.LIST_DURATION.name, 1000 * seconds, tags=tags)
        self._of_shard = tags | {"shard": progress.shard}
        for metric, value in _gauges(progress).items():
            stats.gauge(metric.name, value, tags=self._of_shard)

    def _count(self, metric: Metric, total: int, tags: dict[str, str]) -> None:
        """Send what has come since the last look; a count of 0 is sent once, so that its series begins at 0."""
        key = f"{metric.name} {tags.get('reason', '')}"
        if key not in self._sent or total > self._sent[key]:
            stats.incr(metric.name, total - self._sent.get(key, 0), tags=tags)
            self._sent[key] = total


def _gauges(progress: Progress) -> dict[Metric, float]:
    gauges: dict[Metric, float] = {
        metric_names.PHRASES_PER_SECOND: progress.phrases_per_s,
        metric_names.TOKENS_PER_SECOND: progress.tokens_per_s,
        metric_names.ENGINES_KNOWN: progress.engines_known,
        metric_names.ENGINES_UP: progress.engines_up,
        metric_names.IN_FLIGHT: progress.prompts_in_flight,
    }
    return gauges if progress.eta_s is None else gauges | {metric_names.SHARD_ETA: progress.eta_s}


def evenly(ordered: Sequence[float], count: int) -> list[float]:
    """At most `count` of some values in order, evenly through them: of 100 values and 10, the 6th, 16th, ... 96th."""
    if len(ordered) <= count:
        return list(ordered)
    return [ordered[int((place + 0.5) * len(ordered) / count)] for place in range(count)]


@contextmanager
def counted_errors(corpus: str, step: str) -> Iterator[None]:
    """Count an error of ours that ends a step; it goes on as it was raised."""
    try:
        yield
    except PhrasemillError as error:
        tags = {"corpus": corpus, "step": step, "kind": kind_of(error), "error": type(error).__name__}
        stats.incr(metric_names.ERRORS.name, tags=tags)
        if isinstance(error, errors.GateFailed):
            failure = {"corpus": corpus, "expectation": as_tag(error.gravest)}
            stats.incr(metric_names.GATE_FAILURES.name, tags=failure)
        raise


def kind_of(error: PhrasemillError) -> str:
    """Where to look for the cause: one of `metric_names.ERROR_KINDS`."""
    nearest = next((KINDS[ancestor] for ancestor in type(error).__mro__ if ancestor in KINDS), None)
    return nearest or OTHER_KIND


def as_tag(words: str) -> str:
    """Words as the value of a tag: StatsD takes letters, digits and _ only, and drops a metric with anything else."""
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "unknown"
