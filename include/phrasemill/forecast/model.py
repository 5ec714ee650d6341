"""The model: a question and what was measured -> a forecast, as ranges with the assumption that matters most."""

from collections.abc import Mapping
from dataclasses import asdict

from phrasemill.forecast.answer import Assumption, Forecast
from phrasemill.forecast.book import Book, shipped_book
from phrasemill.forecast.combining import combined
from phrasemill.forecast.premises import Ground, Premise, ground
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, ForecastError, Question
from phrasemill.forecast.reckoning import calendar, reckon
from phrasemill.ranges import Range


class NightTooShort(ForecastError):
    """A night is over before its engines write the first phrase."""


def forecast(question: Question, *, evidence: Evidence = NO_EVIDENCE, book: Book | None = None) -> Forecast:
    """What the target takes: time, tokens, GPU-hours, money, bytes and energy.

    `likely` is reckoned with every premise at its likely value. For the ends, each premise alone is put at its low and
    at its high; the swings count as independent, so the logarithms of their ratios to the likely value are added as
    squares, below and above apart, and the root of the sum is taken. The corner where all extremes meet lies outside.
    Elapsed time and nights follow from the range of the working time, by the calendar of whole nights.

    A figure of the question goes before a measured one, and that before the book's. Where `phrases_per_s` was measured
    it holds for the question's in_flight, n, adapter and quantisation as they are; for another number of engines it is
    multiplied along the book's curve, and for another accept share or answer length that is given, in proportion.

    Raises:
        BookError: the book does not know the model, or has no rate of it on this class of GPU.
        NightTooShort: engines may still be starting when the night ends.
    """
    book = book or shipped_book()
    base = ground(question, evidence, book)
    _check_night(question, base)
    likely = _outcome(question, base, book)
    ends = {name: _at_ends(premise, question, base, book) for name, premise in base.premises.items()}
    ranges = {
        field: combined(value, [(low[field], high[field]) for low, high in ends.values()])
        for field, value in likely.items()
    }
    worked = ranges["worked_s"]
    elapsed, nights = _calendar(worked, question)
    by_gpu, hosted = question.gpu not in {"cpu", "hosted"}, question.gpu == "hosted"
    gpu_hours, kwh, money = ranges.pop("gpu_hours"), ranges.pop("kwh"), ranges.pop("money")
    assumptions = [
        _assumption(premise, low["worked_s"], high["worked_s"])
        for premise, (low, high) in ((base.premises[name], end) for name, end in ends.items())
    ]
    return Forecast(
        **ranges,
        nights=nights,
        elapsed_s=elapsed,
        gpu_hours=gpu_hours if by_gpu else None,
        money=money if question.price else None,
        currency=question.price.currency if question.price else None,
        kwh=None if hosted else kwh,
        engines=None if base.engines_per_gpu is None else base.engines_per_gpu * question.gpus,
        assumptions=tuple(sorted(assumptions, key=lambda one: -one.swing)),
    )


def _outcome(
    question: Question, base: Ground, book: Book, changed: Mapping[str, float] | None = None
) -> dict[str, float]:
    return asdict(reckon(question, base, book, values={**base.likely, **(changed or {})}))


def _at_ends(
    premise: Premise, question: Question, base: Ground, book: Book
) -> tuple[dict[str, float], dict[str, float]]:
    """Outcomes with this premise alone at its low and at its high."""
    value = premise.value
    low = _outcome(question, base, book, {premise.name: value.low})
    return low, low if value.low == value.high else _outcome(question, base, book, {premise.name: value.high})


def _assumption(premise: Premise, at_low: float, at_high: float) -> Assumption:
    return Assumption(
        name=premise.name,
        words=premise.words,
        value=premise.value,
        unit=premise.unit,
        source=premise.source,
        kind=premise.kind,
        swing=max(at_low, at_high) / min(at_low, at_high),
    )


def _calendar(worked: Range, question: Question) -> tuple[Range, Range | None]:
    low, likely, high = (calendar(end, question.hours_a_night) for end in (worked.low, worked.likely, worked.high))
    elapsed = Range(low=low[0], likely=likely[0], high=high[0])
    if low[1] is None or likely[1] is None or high[1] is None:
        return elapsed, None
    return elapsed, Range(low=low[1], likely=likely[1], high=high[1])


def _check_night(question: Question, base: Ground) -> None:
    start = base.premises["night_start_s"].value.high
    if question.hours_a_night is not None and start >= question.hours_a_night * 3600:
        raise NightTooShort(
            f"a night of {question.hours_a_night:g} hours may be over before its first phrase: engines and preflight "
            f"take up to {start:.0f} s; give more hours_a_night, or start_s if yours are faster"
        )
