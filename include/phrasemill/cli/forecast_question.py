"""The question of `phrasemill forecast`, from a corpus and from options, with what the corpus's bucket has measured."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.errors import FingerprintMismatch, PhrasemillError, StoreError
from phrasemill.extras import BUCKETS, ExtraMissing, require
from phrasemill.forecast.amounts import parse_target
from phrasemill.forecast.corpus_question import ModelUnknown, question_of
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, Question
from phrasemill.price_settings import Price
from phrasemill.spec import CorpusSpec

OPTIONS = {
    **{"engines_per_gpu": "--engines", "accept_share": "--accept", "tokens_per_s_per_stream": "--stream-rate"},
    "per_gpu_hour": "--price",
}
"""Options that are not called as their field is."""


class ForecastOptionError(PhrasemillError):
    """Options of the command do not go together, or cannot be read; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as somebody asked it."""

    question: Question
    evidence: Evidence
    zone: dt.tzinfo | None
    """Of the corpus's nights; None without a corpus."""
    notes: tuple[str, ...]
    """What could not be looked at."""


def ask(
    corpus: str | None,
    *,
    target: str | None,
    price: float | None,
    currency: str | None,
    figures: Mapping[str, Any],
    measured: bool,
) -> Asked:
    """A question from a corpus's file and options, options first; `figures` are fields of `Question`.

    With `measured` the corpus's bucket is asked for its calibration and manifests; where that is not possible a note
    says so, and the answer stands on assumptions.

    Raises:
        ForecastOptionError: an option is wrong, or neither a corpus nor a target is given.
        AmountError: the target cannot be read.
        SpecError: the corpus file is wrong, or there is none.
    """
    changes = dict(figures)
    if target is not None:
        changes["target"] = parse_target(target)
    if currency is not None and price is None:
        raise ForecastOptionError("--currency is the currency of --price; give --price too")
    if corpus is None:
        if target is None:
            raise ForecastOptionError("what for? Give a CORPUS, or --target such as '1 GB' or '10M phrases'")
        return Asked(_checked(lambda: Question(**_priced(changes, price, currency))), NO_EVIDENCE, zone=None, notes=())
    spec = load_corpus(find_corpus(corpus))
    evidence, notes = _gathered(spec) if measured else (NO_EVIDENCE, ())
    question = _checked(lambda: question_of(spec, evidence=evidence, **_priced(changes, price, currency)))
    evidence, left_out = _holding(evidence, question, _own_question(spec, evidence, question))
    return Asked(question, evidence, zone=spec.schedule.zone, notes=(*notes, *left_out))


def _priced(changes: dict[str, Any], price: float | None, currency: str | None) -> dict[str, Any]:
    if price is None:
        return changes
    return changes | {"price": Price(per_gpu_hour=price, **({"currency": currency} if currency else {}))}


def _checked(make: Callable[[], Question]) -> Question:
    try:
        return make()
    except ValidationError as error:
        raise ForecastOptionError("\n".join(map(_line, error.errors()))) from error


def _line(mistake: ErrorDetails) -> str:
    words = mistake["msg"].removeprefix("Value error, ")
    for field, option in OPTIONS.items():
        words = words.replace(field, option)
    return f"{_option(mistake['loc'])}: {words}"


def _option(place: tuple[str | int, ...]) -> str:
    name = str(place[0]) if place else "options"
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


def _gathered(spec: CorpusSpec) -> tuple[Evidence, tuple[str, ...]]:
    """What the corpus's bucket tells, or a note on why nobody asked it."""
    try:
        require("forecast", BUCKETS)
        from phrasemill.cli.forecast_bucket import evidence_in_bucket  # noqa: PLC0415 - boto3 is not everywhere

        return evidence_in_bucket(spec), ()
    except (StoreError, FingerprintMismatch, ExtraMissing) as error:
        return NO_EVIDENCE, (f"nothing that was measured is used: {error}",)


def _own_question(spec: CorpusSpec, evidence: Evidence, asked: Question) -> Question:
    """The corpus's question without options; the model asked for stands in for one that the book does not know."""
    try:
        return question_of(spec, evidence=evidence)
    except ModelUnknown:
        return question_of(spec, evidence=evidence, model=asked.model)


def _holding(evidence: Evidence, asked: Question, own: Question) -> tuple[Evidence, tuple[str, ...]]:
    """What of the evidence holds for the question asked, where it is not the corpus's own, and a note on the rest."""
    if evidence == NO_EVIDENCE:
        return evidence, ()
    if (asked.model, asked.language) != (own.model, own.language):
        return NO_EVIDENCE, ("what was measured is of another model or language, so it is not used",)
    if (asked.gpu, asked.lora) != (own.gpu, own.lora):
        rest = evidence.model_copy(update={"phrases_per_s": None, "engines": None, "overhead_share": None})
        return rest, (
            "the rate measured is of the corpus's own engines, so it is not used; leave out --gpu and --lora",
        )
    return evidence, ()
