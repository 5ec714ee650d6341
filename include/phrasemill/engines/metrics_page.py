"""What a vLLM server's /metrics page says about its work. Text in, values out."""

import re
import time
from dataclasses import dataclass

METRIC = re.compile(
    r"^vllm:(num_requests_running|num_requests_waiting|generation_tokens_total)(?:\{[^}]*\})? (\S+)$",
    re.MULTILINE,
)


@dataclass(slots=True)
class Reading:
    """What an engine's /metrics said last, at `at` (monotonic seconds)."""

    at: float
    running: float = 0
    waiting: float = 0
    tokens: float = 0
    tokens_per_s: float = 0.0
    """Between the last two looks."""
    moved_at: float = 0.0
    """When its token counter last moved, or it last had nothing to do; the caller knows which work counts."""


def read_page(page: str, before: Reading | None) -> Reading:
    """What a page says, its rate against the reading `before`.

    Raises:
        ValueError: it is no vLLM engine's page.
    """
    now = time.monotonic()
    sums: dict[str, float] = {}
    for name, value in METRIC.findall(page):
        sums[name] = sums.get(name, 0.0) + float(value)
    if "generation_tokens_total" not in sums:
        raise ValueError("no token counter")
    tokens = sums["generation_tokens_total"]
    reading = Reading(now, sums.get("num_requests_running", 0), sums.get("num_requests_waiting", 0), tokens)
    reading.moved_at = before.moved_at if before and tokens == before.tokens else now
    if before and tokens >= before.tokens:
        reading.tokens_per_s = (tokens - before.tokens) / max(now - before.at, 1e-6)
    return reading
