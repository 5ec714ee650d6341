"""Counters of one fake engine, as vLLM's /metrics and as the state that tests read."""

from dataclasses import dataclass, field

BLOCK_TOKENS = 16  # vLLM's KV cache block: prompts share a cached prefix in whole blocks
PROBE_CHARS = 64


@dataclass(slots=True)
class Counters:
    """What has happened since the start or the last reset. A list is one request for text."""

    requests: int = 0
    lists: int = 0
    prompts: int = 0
    phrases: int = 0
    prompt_tokens: int = 0
    prefix_cache_hits: int = 0
    connections: int = 0
    lists_in_flight: int = 0
    prompts_in_flight: int = 0
    max_lists_in_flight: int = 0
    max_prompts_in_flight: int = 0
    disconnects: int = 0
    finished: dict[str, int] = field(default_factory=lambda: {"stop": 0, "length": 0, "abort": 0})

    def enter(self, prompts: int) -> None:
        """A list of so many prompts comes in."""
        self.lists += 1
        self.prompts += prompts
        self.lists_in_flight += 1
        self.prompts_in_flight += prompts
        self.max_lists_in_flight = max(self.max_lists_in_flight, self.lists_in_flight)
        self.max_prompts_in_flight = max(self.max_prompts_in_flight, self.prompts_in_flight)

    def leave(self, prompts: int) -> None:
        """A list that came in has its answer, or never will."""
        self.lists_in_flight -= 1
        self.prompts_in_flight -= prompts


class PrefixCache:
    """Counts the prompt tokens that a prefix cache would hold: those shared with the prompt before."""

    def __init__(self) -> None:
        self._last = ""

    def hits(self, prompt: str, tokens: int) -> int:
        """Tokens of this prompt in whole blocks shared with the one before it."""
        shared = _shared_chars(prompt, self._last)
        self._last = prompt
        return tokens * shared // max(len(prompt), 1) // BLOCK_TOKENS * BLOCK_TOKENS


def _shared_chars(one: str, other: str) -> int:
    """A lower bound of the common prefix, right to PROBE_CHARS."""
    low, high = 0, min(len(one), len(other)) // PROBE_CHARS
    while low < high:
        middle = (low + high + 1) // 2
        if other.startswith(one[: middle * PROBE_CHARS]):
            low = middle
        else:
            high = middle - 1
    return low * PROBE_CHARS


def exposition(counters: Counters, *, model: str, running: int, waiting: int, generation_tokens: int) -> str:
    """The Prometheus text that vLLM gives at /metrics, as far as the project reads it."""
    label = f'engine="0",model_name="{model}"'
    plain = (
        ("num_requests_running", "gauge", "Number of requests in model execution batches.", running),
        ("num_requests_waiting", "gauge", "Number of requests waiting to be processed.", waiting),
        ("prompt_tokens_total", "counter", "Number of prefill tokens processed.", counters.prompt_tokens),
        ("generation_tokens_total", "counter", "Number of generation tokens processed.", generation_tokens),
        (
            "prefix_cache_queries_total",
            "counter",
            "Prefix cache queries, in tokens.",
            counters.prompt_tokens,
        ),
        ("prefix_cache_hits_total", "counter", "Prefix cache hits, in tokens.", counters.prefix_cache_hits),
        ("num_preemptions_total", "counter", "Cumulative number of preemptions from the engine.", 0),
    )
    lines: list[str] = []
    for name, kind, meaning, value in plain:
        lines += _head(name, kind, meaning)
        lines.append(f"vllm:{name}{{{label}}} {float(value)}")
    lines += _head("request_success_total", "counter", "Count of successfully processed requests.")
    for reason, finished in counters.finished.items():
        labels = f'engine="0",finished_reason="{reason}",model_name="{model}"'
        lines.append(f"vllm:request_success_total{{{labels}}} {float(finished)}")
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP vllm:{name} {meaning}", f"# TYPE vllm:{name} {kind}"]
