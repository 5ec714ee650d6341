"""How far a shard is, how fast, and how long still: for task logs and the CLI's progress bar."""

import time
from collections import deque
from dataclasses import dataclass, field

from phrasemill.engines.pool import EnginePool
from phrasemill.facts import Facts
from phrasemill.planning import Shard
from phrasemill.spec import CorpusSpec

WINDOW_S = 30.0  # rates are of this long


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a shard in the mill. Rates are a second, over the last WINDOW_S seconds."""

    corpus: str
    shard: str
    rows: int
    accepted: int
    """Phrases that the shard has, resumed ones included."""
    resumed: int
    rejects: dict[str, int]
    reject_share: float
    phrases_per_s: float
    tokens_per_s: float
    eta_s: float | None
    """Seconds until the shard is full at this rate; None before there is a rate."""
    in_flight: dict[str, str]
    """By engine URL: prompts in flight of the window, or that it is left out."""

    def line(self) -> str:
        """One log line."""
        eta = "unknown" if self.eta_s is None else f"{self.eta_s:.0f} s"
        rejects = ", ".join(f"{reason} {count}" for reason, count in self.rejects.items())
        engines = ", ".join(f"{url} {state}" for url, state in self.in_flight.items())
        return (
            f"{self.corpus} {self.shard}: {self.accepted}/{self.rows} accepted"
            + (f" ({self.resumed} resumed)" if self.resumed else "")
            + f", {self.phrases_per_s:.1f} phrases/s, {self.tokens_per_s:.0f} tokens/s, ETA {eta}; "
            f"rejected {self.reject_share:.0%}" + (f" ({rejects})" if rejects else "") + f"; in flight: {engines}"
        )


@dataclass(slots=True)
class Speedometer:
    """Turns a mill's running counts into Progress."""

    resumed: int
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._marks.append((time.monotonic(), 0, 0))

    def progress(self, spec: CorpusSpec, shard: Shard, facts: Facts, pool: EnginePool) -> Progress:
        """Look at a shard now."""
        now = time.monotonic()
        while len(self._marks) > 1 and now - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()
        at, accepted, tokens = self._marks[0]
        self._marks.append((now, facts.accepted, facts.completion_tokens))
        span = max(now - at, 1e-6)
        rate = (facts.accepted - accepted) / span
        left = shard.rows - self.resumed - facts.accepted
        return Progress(
            corpus=spec.name,
            shard=shard.label,
            rows=shard.rows,
            accepted=self.resumed + facts.accepted,
            resumed=self.resumed,
            rejects=dict(sorted(facts.rejects.items(), key=lambda item: -item[1])),
            reject_share=facts.reject_share,
            phrases_per_s=rate,
            tokens_per_s=(facts.completion_tokens - tokens) / span,
            eta_s=left / rate if rate else None,
            in_flight={
                engine.url: f"{engine.in_flight}/{engine.window}" if engine.healthy else "left out"
                for engine in pool.engines
            },
        )
