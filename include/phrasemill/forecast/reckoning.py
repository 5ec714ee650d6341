"""Reckoning: one set of figures -> one outcome. Plain arithmetic, no ranges."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from phrasemill.forecast.book import Book
from phrasemill.forecast.premises import Ground
from phrasemill.forecast.question import Question

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of a forecast for one set of premises, in the words and units of `Forecast`."""

    phrases: float
    chars: float
    text_bytes: float
    outputs: float
    prompt_tokens: float
    completion_tokens: float
    phrases_per_s: float
    busy_s: float
    useful_s: float
    night_start_s: float
    worked_s: float
    gpu_hours: float
    money: float
    kwh: float


def reckon(question: Question, ground: Ground, book: Book, *, values: Mapping[str, float]) -> Outcome:
    """The outcome where each premise has the value that is given."""
    chars_each, bytes_each = values["phrase_chars"], values["bytes_per_char"]
    phrases = _phrases(question, chars_each, bytes_each) * (1 + question.oversample)
    written = completion_tokens(values)
    asked = values["prompt_tokens"] / question.n
    rate = _rate(question, ground, book, values=values, written=written)
    redone = 1 + values["failures"]
    outputs = phrases / values["accept_share"] * redone
    busy = phrases * redone / rate
    useful = _with_overhead(question, book, values=values, phrases=phrases, busy=busy)
    start = values["night_start_s"]
    worked = useful + start * _nights_begun(question, useful, start)
    hours = question.gpus * worked / 3600
    chars = phrases * chars_each
    return Outcome(
        phrases=phrases,
        chars=chars,
        text_bytes=chars * bytes_each,
        outputs=outputs,
        prompt_tokens=outputs * asked,
        completion_tokens=outputs * written,
        phrases_per_s=rate,
        busy_s=busy,
        useful_s=useful,
        night_start_s=start,
        worked_s=worked,
        gpu_hours=hours,
        money=_money(question, hours, prompt_tokens=outputs * asked, completion_tokens=outputs * written),
        kwh=hours * values.get("watts", 0.0) / 1000,
    )


def calendar(worked_s: float, hours_a_night: float | None) -> tuple[float, float | None]:
    """Elapsed seconds and nights that some working time takes; without hours a night there is no pause."""
    if hours_a_night is None:
        return worked_s, None
    night = hours_a_night * 3600
    nights = max(1, math.ceil(worked_s / night - 1e-9))
    return (nights - 1) * DAY + worked_s - (nights - 1) * night, float(nights)


def _phrases(question: Question, chars_each: float, bytes_each: float) -> float:
    target = question.target
    if target.phrases is not None:
        return target.phrases
    chars = target.chars if target.chars is not None else (target.text_bytes or 0.0) / bytes_each
    return chars / chars_each


def completion_tokens(values: Mapping[str, float]) -> float:
    """Tokens written for one output, as measured or from its length."""
    if "completion_tokens" in values:
        return values["completion_tokens"]
    # One more for the token that ends an answer.
    return values["phrase_chars"] / values["chars_per_token"] * values["tokens_beyond_phrase"] + 1


def _rate(question: Question, ground: Ground, book: Book, *, values: Mapping[str, float], written: float) -> float:
    """Accepted phrases a second."""
    accepted = values["accept_share"]
    if question.streams is not None:
        return question.streams * values["stream_tokens_per_s"] / written * accepted
    if ground.rate_measured:
        rate = values["rate"]
        if ground.measured_accept_share is not None:
            rate *= accepted / ground.measured_accept_share
        if ground.measured_completion_tokens is not None:
            rate *= ground.measured_completion_tokens / written
        return rate
    return _book_rate(question, ground, book, values=values, written=written) * accepted


def _book_rate(question: Question, ground: Ground, book: Book, *, values: Mapping[str, float], written: float) -> float:
    """Outputs a second: the reference's, less by the work of this shape, for all GPUs and phrases in flight.

    Work is written tokens, and a little for each prompt token that is neither cached nor shared by n samples.
    """
    cost = values["prompt_token_cost"]
    computed = values["prompt_tokens"] * (1 - values["prefix_cache_share"]) / question.n
    ratio = (written + cost * computed) / book.reference.work(cost)
    rate = values["rate"] / math.pow(ratio, values["shape_scaling"])
    rate *= 1 + (question.gpus - 1) * values.get("gpu_scaling", 1.0)
    rate *= values.get("lora_factor", 1.0) * values.get("fp8_factor", 1.0)
    if question.in_flight is None:
        return rate
    full = book.constant("sequences_an_engine", question.gpu).value.likely
    full *= question.gpus * (ground.engines_per_gpu or 1)
    alone = values["stream_tokens_per_s"] / written
    return rate * _fill(min(question.in_flight, full), alone, rate) / _fill(full, alone, rate)


def _fill(in_flight: float, alone: float, full_rate: float) -> float:
    """Share of the full rate with so many in flight: a step takes a fixed time and some for each sequence."""
    return in_flight * alone / (in_flight * alone + full_rate)


def _with_overhead(
    question: Question, book: Book, *, values: Mapping[str, float], phrases: float, busy: float
) -> float:
    """Generating and what Airflow adds: what engines wait for, and never faster than Airflow starts tasks."""
    if "overhead_share" in values:
        return busy * (1 + values["overhead_share"])
    shards = question.shards or max(1.0, phrases / values["phrases_a_shard"])
    waits = shards * values["task_instance_s"] * values["tasks_in_the_way"]
    tasks = book.constant("tasks_a_shard").value.likely
    return max(busy + waits, shards * tasks / values["task_instances_per_s"])


def _nights_begun(question: Question, useful: float, start: float) -> float:
    """Nights as a number that need not be whole, so that a small change never jumps by a night."""
    if question.hours_a_night is None:
        return 1.0
    return max(1.0, useful / (question.hours_a_night * 3600 - start))


def _money(question: Question, hours: float, *, prompt_tokens: float, completion_tokens: float) -> float:
    price = question.price
    if price is None:
        return 0.0
    if price.per_gpu_hour is not None:
        return price.per_gpu_hour * hours
    millions = prompt_tokens * price.per_million_prompt_tokens + completion_tokens * price.per_million_completion_tokens
    return millions / 1e6
