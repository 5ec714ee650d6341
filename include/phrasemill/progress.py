"""How far a shard is, how fast, and how long still: for task logs and the CLI's progress bar."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from phrasemill.engines.pool import EnginePool
from phrasemill.facts import Facts
from phrasemill.planning import Shard
from phrasemill.range_words import time_in_words
from phrasemill.ranges import Range
from phrasemill.rate_range import rate_range
from phrasemill.spec import CorpusSpec

WINDOW_S = 30.0  # rates are of this long
STRETCH_S = 5.0  # the window's stretches whose rates tell how steady it is; the mill looks as often
USUAL_SPREAD = 0.3
"""Of the rate of one stretch: on one CPU engine counts over 10 s are off by half at most (`serving.tune_race`), which
is what is in flight; a spread of a third has hardly ever more."""
LISTS_KEPT = 4096
"""Durations kept between two looks: sixteen engines answer some 190 lists a second, and a look is every 5 s."""


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
    eta: Range | None
    """Seconds until the shard is full at this rate; None before there is a rate."""
    in_flight: dict[str, str]
    """By engine URL: prompts in flight of the window, or that it is left out."""
    prompt_tokens: int
    """Of this run, as are completion tokens and lists."""
    completion_tokens: int
    lists: int
    """Request lists that were answered."""
    list_seconds: tuple[float, ...]
    """From request to answer, of the lists answered since the look before: the last LISTS_KEPT, shortest first."""
    engines_known: int
    engines_up: int
    """Those that are not left out."""
    prompts_in_flight: int

    @property
    def eta_s(self) -> float | None:
        """The likely value of `eta`."""
        return None if self.eta is None else self.eta.likely

    def line(self) -> str:
        """One log line."""
        eta = "unknown" if self.eta is None else time_in_words(self.eta)
        rejects = ", ".join(f"{reason} {count}" for reason, count in self.rejects.items())
        engines = ", ".join(f"{url} {state}" for url, state in self.in_flight.items())
        return (
            f"{self.corpus} {self.shard}: {self.accepted}/{self.rows} accepted"
            + (f" ({self.resumed} resumed)" if self.resumed else "")
            + f", {self.phrases_per_s:.1f} phrases/s, {self.tokens_per_s:.0f} tokens/s, ETA {eta}; "
            f"rejected {self.reject_share:.0%}" + (f" ({rejects})" if rejects else "") + f"; in flight: {engines}"
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """Running counts at one moment; `at` is monotonic."""

    at: float
    accepted: int
    tokens: int


@dataclass(slots=True)
class Speedometer:
    """Turns a mill's running counts into Progress."""

    resumed: int
    _marks: deque[Mark] = field(default_factory=deque)
    _lists: int = 0
    _list_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=LISTS_KEPT))

    def __post_init__(self) -> None:
        self._marks.append(Mark(time.monotonic(), 0, 0))

    def note_list(self, seconds: float) -> None:
        """A request list was answered, so long after it was sent."""
        self._lists += 1
        self._list_seconds.append(seconds)

    def progress(self, spec: CorpusSpec, shard: Shard, facts: Facts, pool: EnginePool) -> Progress:
        """Look at a shard now."""
        now = Mark(time.monotonic(), facts.accepted, facts.completion_tokens)
        while len(self._marks) > 1 and now.at - self._marks[1].at >= WINDOW_S:
            self._marks.popleft()
        first = self._marks[0]
        self._marks.append(now)
        span = max(now.at - first.at, 1e-6)
        list_seconds = tuple(sorted(self._list_seconds))
        self._list_seconds.clear()
        return Progress(
            corpus=spec.name,
            shard=shard.label,
            rows=shard.rows,
            accepted=self.resumed + facts.accepted,
            resumed=self.resumed,
            rejects=dict(sorted(facts.rejects.items(), key=lambda item: -item[1])),
            reject_share=facts.reject_share,
            phrases_per_s=(now.accepted - first.accepted) / span,
            tokens_per_s=(now.tokens - first.tokens) / span,
            eta=eta_of(shard.rows - self.resumed - facts.accepted, self._marks),
            in_flight={
                engine.url: f"{engine.in_flight}/{engine.window}" if engine.healthy else "left out"
                for engine in pool.engines
            },
            prompt_tokens=facts.prompt_tokens,
            completion_tokens=facts.completion_tokens,
            lists=self._lists,
            list_seconds=list_seconds,
            engines_known=len(pool.engines),
            engines_up=sum(engine.healthy for engine in pool.engines),
            prompts_in_flight=sum(engine.in_flight for engine in pool.engines),
        )


def eta_of(left: int, marks: Iterable[Mark]) -> Range | None:
    """Seconds that the phrases left will take at the rate between these marks, in their order; None without a rate.

    The marks are taken in stretches of STRETCH_S at least, and the range comes from how much the rates of these
    differ: `phrasemill.rate_range` has the formula. With six stretches that are all alike it is 10 % either way. What
    a shard's end costs, when only re-asks are left and the engines are no longer full, is not in it: as long as the
    answers to two or three prompts in a row.
    """
    if not left:
        return Range.exactly(0)
    rate = rate_range(_stretches(marks), usual=USUAL_SPREAD)
    return None if rate is None else rate.over(left)


def _stretches(marks: Iterable[Mark]) -> list[tuple[float, float]]:
    """Seconds and phrases of each stretch; what is left at the end belongs to the last one."""
    edges: list[Mark] = []
    last = None
    for last in marks:
        if not edges or last.at - edges[-1].at >= STRETCH_S:
            edges.append(last)
    if last is not None and last is not edges[-1]:
        edges = [*(edges[:-1] if len(edges) > 1 else edges), last]
    return [(end.at - begin.at, end.accepted - begin.accepted) for begin, end in pairwise(edges)]
