"""Reckons what some phrases take, from what was measured of the corpus and else from the forecast's book. Pure.

First attempts share a prompt among the phrases of a group (`Sampling.group`); a rejected phrase is asked for again
alone. Shards that fail and are written anew are not counted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from phrasemill.dry_run.figures import Amounts, Asking, Bound, Origins
from phrasemill.forecast.book import Book, shipped_book
from phrasemill.forecast.combining import combined
from phrasemill.forecast.corpus_question import PROMPTS_READ, ModelUnknown, question_of
from phrasemill.forecast.premises import Ground, Premise, ground
from phrasemill.forecast.question import Evidence, Measured, Question
from phrasemill.forecast.reckoning import completion_tokens
from phrasemill.limit_settings import ApiLimits
from phrasemill.price_settings import Price
from phrasemill.ranges import Range
from phrasemill.spec import CorpusSpec

UNKNOWN_AS = "qwen2.5-7b"
"""What a model is taken for whose name tells no size, as those of hosted APIs do."""
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Taken:
    """What some phrases take, for one set of figures."""

    requests: float
    prompt_tokens: float
    completion_tokens: float
    seconds: dict[Bound, float]


class Estimate:
    """The figures of one corpus.

    Args:
        spec: the corpus, with the limits that hold for it.
        evidence: what was measured of it.
        asking: how its engines are asked.
        book: the forecast's; the shipped one without it.
    """

    def __init__(self, spec: CorpusSpec, evidence: Evidence, *, asking: Asking, book: Book | None = None) -> None:
        self._spec, self._evidence, self._asking = spec, evidence, asking
        self._limits = spec.engines.limits
        self._book = book or shipped_book()
        self._ground, self._model = self._grounds()

    def amounts(self, phrases: int) -> Amounts:
        """What so many phrases take."""
        likely = self._taken(phrases, self._ground.likely)
        ends = [self._ends(phrases, premise) for premise in self._ground.premises.values()]

        def whole(name: str) -> Range:
            swings = [(getattr(low, name), getattr(high, name)) for low, high in ends]
            return combined(getattr(likely, name), swings)

        at_limits, bound = None, None
        if likely.seconds:
            bound = max(likely.seconds, key=lambda name: likely.seconds[name])
            longest = [(max(low.seconds.values()), max(high.seconds.values())) for low, high in ends]
            at_limits = combined(likely.seconds[bound], longest)
        pace = self._evidence.phrases_per_s
        at_pace = pace.value.over(phrases) if pace and phrases else None
        accepted = self._ground.premises["accept_share"].value
        return Amounts(
            phrases=phrases,
            requests=whole("requests"),
            prompt_tokens=whole("prompt_tokens"),
            completion_tokens=whole("completion_tokens"),
            reject_share=Range(low=1 - accepted.high, likely=1 - accepted.likely, high=1 - accepted.low),
            at_limits_s=at_limits,
            bound=bound,
            at_pace_s=at_pace,
            money=self._money(likely, ends, at_pace),
        )

    def origins(self) -> Origins:
        """Where the figures come from."""
        evidence, as_model = self._evidence, f"the forecast's book for {self._model}"
        stream = self._book.constant("stream_tokens_per_s")
        prompts = min(PROMPTS_READ, self._spec.target_phrases)
        return Origins(
            rejects=_source(evidence.accept_share, otherwise=as_model),
            prompt_tokens=_source(
                evidence.prompt_tokens_per_output,
                otherwise=f"{prompts} of its prompts, rendered, and the book's characters a token",
            ),
            completion_tokens=_source(evidence.completion_tokens_per_output, otherwise=as_model),
            pace=evidence.phrases_per_s.source if evidence.phrases_per_s else None,
            stream=f"{stream.value.likely:g} tokens/s an answer, {stream.kind}"
            if self._limits and self._limits.concurrent
            else None,
        )

    def _grounds(self) -> tuple[Ground, str]:
        fields: dict[str, object] = {"gpu": "hosted", "streams": 1}
        fields["tokens_per_s_per_stream"] = self._book.constant("stream_tokens_per_s").value
        question: Question
        try:
            question = question_of(self._spec, evidence=self._evidence, book=self._book, **fields)
            told = question.model
        except ModelUnknown:
            fields["model"] = UNKNOWN_AS
            question = question_of(self._spec, evidence=self._evidence, book=self._book, **fields)
            told = f"{UNKNOWN_AS}, since it does not know {self._spec.model.name}"
        return ground(question, self._evidence, self._book), told

    def _ends(self, phrases: int, premise: Premise) -> tuple[_Taken, _Taken]:
        """With this premise alone at its low and at its high."""
        likely = self._ground.likely
        low, high = (likely | {premise.name: value} for value in (premise.value.low, premise.value.high))
        return self._taken(phrases, low), self._taken(phrases, high)

    def _taken(self, phrases: int, values: Mapping[str, float]) -> _Taken:
        sampling = self._spec.sampling
        outputs = phrases / values["accept_share"]
        rejected = outputs - phrases
        answers = phrases / sampling.phrases_per_prompt + rejected
        prompts = phrases / sampling.group + rejected if self._asking.takes_n else answers
        if self._evidence.prompt_tokens_per_output is not None:
            # Measured over all outputs, re-asks among them; the premise is that times the group.
            asked = outputs * values["prompt_tokens"] / sampling.group
        else:
            asked = prompts * values["prompt_tokens"]
        requests = prompts if self._asking.list_size == 1 else answers / self._asking.list_size
        written = outputs * completion_tokens(values)
        in_a_request = answers / requests if requests else 1.0
        return _Taken(
            requests=requests,
            prompt_tokens=asked,
            completion_tokens=written,
            seconds=self._seconds(
                requests, asked=asked, written=written, stream=values["stream_tokens_per_s"] * in_a_request
            ),
        )

    def _seconds(self, requests: float, *, asked: float, written: float, stream: float) -> dict[Bound, float]:
        """How long each limit makes it last; `stream` is tokens a second of one request."""
        limits = self._limits
        found: dict[Bound, float] = {}
        if limits is None:
            return found
        if limits.requests_per_minute:
            found["requests_per_minute"] = requests / limits.requests_per_minute * MINUTE_S
        if limits.tokens_per_minute:
            found["tokens_per_minute"] = (asked + written) / limits.tokens_per_minute * MINUTE_S
        if limits.tokens_per_second:
            found["tokens_per_second"] = written / limits.tokens_per_second
        if limits.concurrent:
            found["concurrent"] = written / (limits.concurrent * stream)
        return found

    def _money(self, likely: _Taken, ends: list[tuple[_Taken, _Taken]], at_pace: Range | None) -> Range | None:
        price = self._spec.price
        if price is None:
            return None
        if price.per_gpu_hour is not None:
            return at_pace.times(price.per_gpu_hour * price.gpus / 3600) if at_pace else None
        swings = [(_by_token(price, low), _by_token(price, high)) for low, high in ends]
        return combined(_by_token(price, likely), swings)


def nights_for(money: Range, limits: ApiLimits) -> Range | None:
    """Nights that some money takes at a budget; None without one."""
    if limits.budget_per_night is None:
        return None
    low, likely, high = (
        float(math.ceil(amount / limits.budget_per_night)) for amount in (money.low, money.likely, money.high)
    )
    return Range(low=low, likely=likely, high=high)


def _by_token(price: Price, taken: _Taken) -> float:
    asked = taken.prompt_tokens * price.per_million_prompt_tokens
    return (asked + taken.completion_tokens * price.per_million_completion_tokens) / 1e6


def _source(measured: Measured | None, *, otherwise: str) -> str:
    return measured.source if measured else otherwise
