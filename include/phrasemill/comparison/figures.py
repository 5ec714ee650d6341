"""Figures of a comparison: comparison.json is this model, and every table and page is drawn from it.

Shares are of 1, times are UTC, `chars` are Unicode characters. Ranges hold 95 % of what chance does.
"""

import math
from typing import Literal

from pydantic import AwareDatetime, Field

from phrasemill.comparison.grinding import Ground
from phrasemill.comparison.sides import Side
from phrasemill.engines.finding import without_secrets
from phrasemill.planning import Shard
from phrasemill.price_settings import Price
from phrasemill.ranges import Range
from phrasemill.rate_range import SIGMAS, rate_range
from phrasemill.report.parts import Part

RUN_SPREAD = 0.04
"""Of the rate of a whole run: where engines are full, runs of one machine are within 4 % (docs/benchmarks.md)."""

State = Literal["measured", "hopeless", "failed", "not run"]


class TextFigures(Part):
    """Figures of the accepted phrases, as `phrasemill.gate.metrics` defines them."""

    mean_chars: float
    distinct_2: float
    top_opening_share: float
    top_opening: str
    compression_ratio: float
    near_duplicate_share: float


class Cost(Part):
    """What a million phrases cost at the rate of this run."""

    per_million_phrases: float
    currency: str


class SideFigures(Part):
    """One side. Figures are None where the side did not come so far, or its engines tell none."""

    name: str
    state: State
    trouble: str = Field(description="Why it is not measured, or not all of its engines are, in words")
    corpus: str
    model: str
    engines: tuple[str, ...]
    settings: dict[str, str] = Field(description="What differs from the corpus file, by field, as YAML reads it")
    backend: str | None = Field(description="How its engines are asked: vllm (lists) or chat (one by one)")
    asked: str = Field(description="The same in words, with what it costs")
    phrases: int = Field(description="Accepted")
    judged: int = Field(description="Outputs judged, accepted or not")
    seconds: float
    phrases_per_s: Range | None = None
    tokens_per_s: float | None = Field(default=None, description="Completion tokens, of rejected outputs too")
    client_cpu_s: float | None = None
    accept_share: Range | None = None
    rejects: dict[str, int] = Field(description="Outputs by reject reason, the most frequent first")
    text: TextFigures | None = None
    prompt_tokens_a_phrase: float | None = Field(default=None, description="Rejected outputs included")
    completion_tokens_a_phrase: float | None = Field(default=None, description="Rejected outputs included")
    cost: Cost | None = None


class SampleText(Part):
    """One side's phrase of a sample."""

    text: str
    asked_again: bool = Field(description="Rejected at first: then another combination of lexemes was asked for")


class Sample(Part):
    """The phrases of all sides for one prompt; None where a side has none."""

    template: str
    slots: dict[str, str] = Field(description="Lexemes of the first measured side's prompt")
    texts: tuple[SampleText | None, ...] = Field(description="In the order of the sides")


class Comparison(Part):
    """All sides, in the order in which they were ground."""

    phrases: int = Field(description="Asked of each side")
    language: str
    made_at: AwareDatetime
    phrasemill: str
    notes: tuple[str, ...]
    sides: tuple[SideFigures, ...]
    samples: tuple[Sample, ...]


def figures_of(ground: Ground) -> SideFigures:
    """The figures of a side that was ground, whole or not."""
    facts, phrases = ground.facts, ground.facts.accepted
    whole = ground.rows is not None
    silent = [f"{without_secrets(url)} is left out: {why}" for url, why in ground.silent.items()]
    return _side(
        ground.side,
        state="measured" if whole else "hopeless" if ground.hopeless else "failed",
        trouble=ground.trouble or "; ".join(silent),
        backend=ground.backend and ground.backend.kind,
        asked=ground.backend.line() if ground.backend else "",
        phrases=phrases,
        judged=facts.judged,
        seconds=ground.seconds,
        phrases_per_s=rate_range([(ground.seconds, phrases)], usual=RUN_SPREAD) if whole else None,
        tokens_per_s=_over(facts.completion_tokens, ground.seconds) if whole else None,
        client_cpu_s=ground.cpu_s if whole else None,
        accept_share=wilson(phrases, facts.judged) if facts.judged else None,
        rejects=dict(sorted(facts.rejects.items(), key=lambda item: -item[1])),
        text=_text_figures(ground) if whole else None,
        prompt_tokens_a_phrase=_over(facts.prompt_tokens, phrases) if whole else None,
        completion_tokens_a_phrase=_over(facts.completion_tokens, phrases) if whole else None,
        cost=_cost(ground) if whole else None,
    )


def not_run(side: Side) -> SideFigures:
    """A side that the comparison did not come to, or in whose middle it was stopped."""
    return _side(
        side,
        state="not run",
        trouble="stopped before it was whole",
        backend=None,
        asked="",
        phrases=0,
        judged=0,
        seconds=0,
        rejects={},
    )


def wilson(accepted: int, judged: int) -> Range:
    """A share with its score interval (Wilson, 1927), SIGMAS wide: it stays within 0 and 1, and holds for few too.

    Raises:
        ZeroDivisionError: none was judged.
    """
    share, square = accepted / judged, SIGMAS**2
    middle = (share + square / (2 * judged)) / (1 + square / judged)
    half = math.sqrt(share * (1 - share) / judged + square / (4 * judged**2)) * SIGMAS / (1 + square / judged)
    return Range(low=max(0.0, min(share, middle - half)), likely=share, high=min(1.0, max(share, middle + half)))


def _side(side: Side, **found: object) -> SideFigures:
    named = {
        "name": side.name,
        "corpus": side.spec.name,
        "model": side.spec.model.served,
        "engines": tuple(without_secrets(url) for url in side.urls),
        "settings": {field: str(value) for field, value in side.settings.items()},
    }
    return SideFigures.model_validate(named | found)


def _text_figures(ground: Ground) -> TextFigures:
    # Here and not at the top: the package of the gate takes seconds to import, and engines fail sooner.
    from phrasemill.gate.metrics import measure  # noqa: PLC0415

    spec = ground.side.spec
    found = measure(ground.rows, spec=spec, shard=Shard(0, 0, spec.shard_phrases), facts=ground.facts)
    metrics = {name: found.metrics[name] for name in TextFigures.model_fields if name in found.metrics}
    return TextFigures.model_validate(metrics | {"top_opening": found.top_opening})


def _cost(ground: Ground) -> Cost | None:
    price: Price | None = ground.side.spec.price
    facts = ground.facts
    if price is None or not facts.accepted:
        return None
    if price.per_gpu_hour is not None:
        amount = price.per_gpu_hour * price.gpus * ground.seconds / 3600
    else:
        asked, written = price.per_million_prompt_tokens, price.per_million_completion_tokens
        amount = (facts.prompt_tokens * asked + facts.completion_tokens * written) / 1e6
    return Cost(per_million_phrases=amount / facts.accepted * 1e6, currency=price.currency)


def _over(amount: float, whole: float) -> float | None:
    """A ratio; None where nothing was counted, as with engines that report no tokens."""
    return amount / whole if amount and whole else None
