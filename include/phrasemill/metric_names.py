"""The catalogue of metrics: every name that phrasemill sends through Airflow or shows on the page of `serve`.

docs/metrics.md's table, docker/metrics/statsd.yaml, the alerts and the dashboard are checked against it. Tags are few
and bounded: nothing is tagged by run, host or phrase, and by shard only what a running task says of itself.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric is counted."""

    COUNTER = "counter"
    """Adds up over all tasks."""
    GAUGE = "gauge"
    """The last word counts."""
    TIMER = "timer"
    """Durations, of which a distribution is kept."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is sent; Airflow puts its own prefix before the name, `airflow.` by default."""

    name: str
    kind: Kind
    unit: str
    tags: tuple[str, ...]
    meaning: str

    @property
    def in_prometheus(self) -> str:
        """Its name behind docker/metrics/statsd.yaml: a timer is a histogram there, in seconds."""
        ending = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.TIMER: "_seconds"}[self.kind]
        return self.name.replace(".", "_") + ending

    @property
    def of_shard(self) -> bool:
        """Whether only a running task tells it: it is set to 0 at the task's end, and forgotten after a while."""
        return "shard" in self.tags


@dataclass(frozen=True, slots=True)
class PageMetric:
    """One metric of the page that `phrasemill serve --metrics-port` shows, under its name there."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str


CORPUS, SHARD = ("corpus",), ("corpus", "shard")
ENGINE = ("engine", "gpu")


def _counter(name: str, unit: str, meaning: str, *, tags: tuple[str, ...] = CORPUS) -> Metric:
    return Metric(f"phrasemill.{name}", Kind.COUNTER, unit, tags, meaning)


def _gauge(name: str, unit: str, meaning: str, *, tags: tuple[str, ...] = CORPUS) -> Metric:
    return Metric(f"phrasemill.{name}", Kind.GAUGE, unit, tags, meaning)


ACCEPTED = _counter("phrases.accepted", "phrases", "accepted by the phrase rules; resumed blocks do not count again")
REJECTED = _counter("phrases.rejected", "outputs", "rejected, by the rule's reason", tags=("corpus", "reason"))
PROMPT_TOKENS = _counter("tokens.prompt", "tokens", "of the prompts that engines have answered")
COMPLETION_TOKENS = _counter("tokens.completion", "tokens", "of all outputs, rejected ones too")
LISTS = _counter("lists.answered", "lists", "request lists that came back")
LIST_DURATION = Metric(
    "phrasemill.list.duration",
    Kind.TIMER,
    "milliseconds",
    CORPUS,
    "from a request list to its answer; of each look's lists at most ten, evenly through their order",
)
ERRORS = _counter(
    "errors",
    "errors",
    "steps that ended in an error of phrasemill's own; each try of a task counts",
    tags=("corpus", "step", "kind", "error"),
)
GATE_FAILURES = _counter(
    "gate.failures",
    "shards",
    "shards that failed the gate, by the gravest expectation that failed",
    tags=("corpus", "expectation"),
)

PHRASES_PER_SECOND = _gauge("shard.phrases_per_second", "phrases/s", "accepted, over the last 30 s", tags=SHARD)
TOKENS_PER_SECOND = _gauge("shard.tokens_per_second", "tokens/s", "completion tokens, over the last 30 s", tags=SHARD)
SHARD_ETA = _gauge("shard.eta_seconds", "seconds", "until the shard is full at this rate", tags=SHARD)
ENGINES_KNOWN = _gauge("shard.engines_known", "engines", "that the task may ask", tags=SHARD)
ENGINES_UP = _gauge("shard.engines_up", "engines", "of those, the ones that it does not leave out", tags=SHARD)
IN_FLIGHT = _gauge("shard.in_flight", "prompts", "that the task waits for", tags=SHARD)

SHARDS = _gauge("corpus.shards", "shards", "of the corpus in each state", tags=("corpus", "state"))
PHRASES = _gauge("corpus.phrases", "phrases", "committed")
TARGET = _gauge("corpus.target_phrases", "phrases", "that the corpus file asks for")
FINISH_TIME = _gauge(
    "corpus.finish_time",
    "seconds since 1970",
    "when the corpus will be whole; 0 where it is, or no rate is known",
    tags=("corpus", "bound"),
)
NIGHT_SHARDS = _gauge("night.shards", "shards", "of the night worked on last, in each state", tags=("corpus", "state"))
NIGHT_START = _gauge("night.start_time", "seconds since 1970", "when the night was planned; 0 once it is closed")
NIGHT_EXPECTED = _gauge(
    "night.expected_seconds", "seconds", "that the night should take at the rate so far; 0 if none is known"
)
NIGHT_SECONDS = _gauge(
    "night.seconds", "seconds", "that the last night took, from the beginning of its run to its close"
)

SENT = (
    ACCEPTED, REJECTED, PROMPT_TOKENS, COMPLETION_TOKENS, LISTS, LIST_DURATION, ERRORS, GATE_FAILURES,
    PHRASES_PER_SECOND, TOKENS_PER_SECOND, SHARD_ETA, ENGINES_KNOWN, ENGINES_UP, IN_FLIGHT,
    SHARDS, PHRASES, TARGET, FINISH_TIME, NIGHT_SHARDS, NIGHT_START, NIGHT_EXPECTED, NIGHT_SECONDS,
)  # fmt: skip
"""All that is sent through Airflow."""
OF_SHARD = tuple(metric for metric in SENT if metric.of_shard)

SHARD_STATES = ("committed", "running", "begun", "quarantined", "missing")
"""Values of the tag `state`: those of `corpus_state.ShardCell`."""
BOUNDS = ("earliest", "likely", "latest")
"""Values of the tag `bound`."""
ERROR_KINDS = ("bucket", "engines", "gate", "shard", "night", "setup")
"""Values of the tag `kind`: where to look."""


def _on_page(name: str, unit: str, meaning: str, *, labels: tuple[str, ...] = ENGINE) -> PageMetric:
    kind = Kind.COUNTER if name.endswith("_total") else Kind.GAUGE
    return PageMetric(f"phrasemill_{name}", kind, unit, labels, meaning)


ENGINE_UP = _on_page("engine_up", "0 or 1", "1 while /health answers")
ENGINE_PHASE = _on_page("engine_phase", "0 or 1", "1 in the phase that the engine is in", labels=(*ENGINE, "phase"))
ENGINE_RESTARTS = _on_page("engine_restarts_total", "restarts", "after a failure, or to recycle the engine")
ENGINE_FAILURES = _on_page("engine_failures_in_a_row", "failures", "without a settled time between them")
ENGINE_RUNNING = _on_page("engine_requests_running", "prompts", "that the engine works on")
ENGINE_WAITING = _on_page("engine_requests_waiting", "prompts", "that wait in the engine")
ENGINE_TOKENS = _on_page("engine_tokens_per_second", "tokens/s", "generated, between the last two looks")
ENGINE_RSS = _on_page("engine_resident_bytes", "bytes", "host memory of the engine's processes")
ENGINE_GPU_MEMORY = _on_page("engine_gpu_memory_bytes", "bytes", "GPU memory of the engine's processes")
ENGINE_UPTIME = _on_page("engine_uptime_seconds", "seconds", "since the engine's process was started")
SUPERVISOR_START = _on_page(
    "supervisor_start_time_seconds", "seconds since 1970", "when `phrasemill serve` was started", labels=()
)
SUPERVISOR_INFO = _on_page(
    "supervisor_info", "1", "versions, model and profile", labels=("version", "vllm", "model", "profile")
)

ON_PAGE = (
    ENGINE_UP, ENGINE_PHASE, ENGINE_RESTARTS, ENGINE_FAILURES, ENGINE_RUNNING, ENGINE_WAITING, ENGINE_TOKENS,
    ENGINE_RSS, ENGINE_GPU_MEMORY, ENGINE_UPTIME, SUPERVISOR_START, SUPERVISOR_INFO,
)  # fmt: skip
"""All that the page of `serve` shows. What is not known of an engine is left out there."""
