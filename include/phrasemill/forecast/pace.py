"""Pace: what one GPU writes, as a curve over its engines. Measured counts are read, others are derived.

Between two measured counts the pace is read off a straight line. Beyond them, and for a class of GPU or a model that
nobody measured, it follows a soft minimum of what the engines can drive and what the GPU can give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from phrasemill.forecast.book import Book, BookError, Observed
from phrasemill.forecast.combining import quotient
from phrasemill.forecast.question import GpuClass
from phrasemill.ranges import Range


@dataclass(frozen=True, slots=True)
class Pace:
    """Outputs a second of one GPU (or machine) at the book's reference shape."""

    value: Range
    measured: bool
    source: str


def pace(book: Book, model: str, gpu: GpuClass, *, engines: int) -> Pace:
    """The pace of a model of the book with some engines on one GPU.

    Raises:
        BookError: the book knows nothing to derive it from.
    """
    observed = _never_falling(book.observed(model, gpu))
    if not observed:
        return _by_law(book, model, gpu, engines=engines)
    for one in observed:
        if one.engines == engines:
            return Pace(one.value, one.kind == "measured", f"{one.runs} runs: {one.source}")
    for below, above in pairwise(observed):
        if below.engines < engines < above.engines:
            share = (engines - below.engines) / (above.engines - below.engines)
            value = Range(
                low=below.value.low + share * (above.value.low - below.value.low),
                likely=below.value.likely + share * (above.value.likely - below.value.likely),
                high=below.value.high + share * (above.value.high - below.value.high),
            )
            told = f"between {below.engines} and {above.engines} engines: {above.source}"
            return Pace(value, measured=False, source=told)
    nearest = observed[0] if engines < observed[0].engines else observed[-1]
    if gpu == "cpu":
        told = f"{nearest.engines} engine keeps every core busy, more add nothing: {nearest.source}"
        return Pace(nearest.value, measured=False, source=told)
    ratio = _law(book, model, gpu, engines=engines).likely / _law(book, model, gpu, engines=nearest.engines).likely
    told = f"{nearest.engines} engines, times {ratio:.2f} by the curve of engines: {nearest.source}"
    return Pace(nearest.value.times(ratio), measured=False, source=told)


def pace_ratio(
    book: Book,
    model: str,
    gpu: GpuClass,
    *,
    measured: int,
    measured_per_gpu: int,
    asked: int,
    asked_per_gpu: int,
) -> Range:
    """By what a rate of `measured` engines is multiplied for `asked` engines; each GPU is filled before the next.

    Raises:
        BookError: the book knows nothing of this model on this class of GPU.
    """
    if measured == asked:
        return Range.exactly(1.0)
    return quotient(
        _fleet(book, model, gpu, engines=asked, engines_per_gpu=asked_per_gpu),
        _fleet(book, model, gpu, engines=measured, engines_per_gpu=measured_per_gpu),
    )


def _fleet(book: Book, model: str, gpu: GpuClass, *, engines: int, engines_per_gpu: int) -> Range:
    whole, rest = divmod(engines, engines_per_gpu)
    scaling = book.constant("gpu_scaling").value.likely
    if not whole:
        return pace(book, model, gpu, engines=rest).value
    full = pace(book, model, gpu, engines=engines_per_gpu).value.times(1 + (whole - 1) * scaling)
    if not rest:
        return full
    part = pace(book, model, gpu, engines=rest).value.times(scaling)
    return Range(low=full.low + part.low, likely=full.likely + part.likely, high=full.high + part.high)


def _by_law(book: Book, model: str, gpu: GpuClass, *, engines: int) -> Pace:
    value, entry = _law(book, model, gpu, engines=engines), book.model(model)
    share = "" if gpu == "80gb-hopper" else f"; {book.constant('h100_share', gpu).source}"
    told = (
        f"derived from an engine's bound ({entry.engine_bound.source}) and the GPU's ({entry.gpu_bound.source}){share}"
    )
    return Pace(value, measured=False, source=told)


def _law(book: Book, model: str, gpu: GpuClass, *, engines: int) -> Range:
    """(driven^-p + given^-p)^(-1/p): nearly the smaller of both, and less than it where they are close."""
    if gpu in {"cpu", "hosted"}:
        known = ", ".join(sorted({rate.model for rate in book.rates if rate.gpu == gpu})) or "none"
        raise BookError(
            f"the book has no rate of {model} on {gpu}; it has: {known}. Give streams and tokens_per_s_per_stream"
        )
    entry, share = book.model(model), book.constant("h100_share", gpu).value
    power = book.constant("engines_saturation").value.likely

    def soft(driven: float, given: float) -> float:
        return float((driven**-power + given**-power) ** (-1 / power))

    bound, full = entry.engine_bound.value, entry.gpu_bound.value
    return Range(
        low=soft(engines * bound.low, full.low * share.low),
        likely=soft(engines * bound.likely, full.likely * share.likely),
        high=soft(engines * bound.high, full.high * share.high),
    )


def _never_falling(observed: Sequence[Observed]) -> list[Observed]:
    """More engines are never slower; where runs say so, it is the drift between them.

    Low and likely are raised to those of fewer engines, high is lowered to that of more, but not below likely.
    """
    lows = accumulate((one.value.low for one in observed), max)
    likelies = accumulate((one.value.likely for one in observed), max)
    highs = reversed(list(accumulate((one.value.high for one in reversed(observed)), min)))
    return [
        one.model_copy(update={"value": Range(low=low, likely=likely, high=max(likely, high))})
        for one, low, likely, high in zip(observed, lows, likelies, highs, strict=True)
    ]
