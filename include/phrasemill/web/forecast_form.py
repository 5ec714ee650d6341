"""The forecast's form -> a question with its evidence, or what is wrong with which field. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from phrasemill.forecast.book import shipped_book
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, Question
from phrasemill.ranges import Range
from phrasemill.web.forecast_fields import BLANK, FIELDS, TARGETS, FieldError

FIELD_OF = {
    "target": "target",
    "language": "language",
    "model": "model",
    "gpu": "gpu",
    "gpus": "gpus",
    "engines_per_gpu": "engines",
    "hours_a_night": "hours",
    "price": "price",
    "accept_share": "accept",
    "phrase_chars": "chars",
    "prompt_tokens": "prompt",
    "completion_tokens": "written",
    "prefix_cache_share": "cached",
    "oversample": "oversample",
    "n": "n",
    "lora": "lora",
    "quantisation": "quantisation",
    "streams": "streams",
    "tokens_per_s_per_stream": "rate",
}
"""The form's fields by those of a `Question`."""
STANDS_FOR: Mapping[str, tuple[str, ...]] = {name: (ours,) for name, ours in FIELD_OF.items()} | {
    "target": ("target", "unit"),
    "price": ("price", "per_prompt", "per_written", "currency", "gpu"),
    "streams": ("streams", "gpu"),
}
"""The form's fields that make up each of a `Question`."""
PERCENT = {"accept_share", "prefix_cache_share", "oversample"}
ASSUMED = {
    "accept_share": "accept",
    "phrase_chars": "chars",
    "prompt_tokens": "prompt",
    "completion_tokens": "written",
    "prefix_cache_share": "cached",
}
"""Premises of a forecast, and the fields that would replace them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a corpus brings: the question that its file asks, and what was measured on it."""

    question: Question
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks: a question, or what is wrong, by field and in words."""

    question: Question | None
    evidence: Evidence = NO_EVIDENCE
    wrong: Mapping[str, str] = field(default_factory=dict)


def asked(texts: Mapping[str, str], *, start: Start | None = None) -> Asked:
    """The question of a form's texts. What the form has no field for is as the corpus has it, if there is one."""
    changed = set(STANDS_FOR)
    if start:
        # What nobody has touched stays as it is: with its range, of which the form shows the likely value, and even
        # where no slider goes so far.
        begun = texts_from(start.question)
        touched = {name for name in FIELDS if texts[name] != begun[name]} | {"hours"}  # no corpus file has them
        changed = {name for name, fields in STANDS_FOR.items() if touched.intersection(fields)}
    values, wrong = _values(texts, {name for one in changed for name in STANDS_FOR[one]})
    if wrong:
        return Asked(None, wrong=wrong)
    base = start.question.model_dump() if start else {}
    try:
        question = Question.model_validate(base | {name: _value(name, values) for name in changed})
    except ValidationError as error:
        told = {FIELD_OF.get(str(one["loc"][0]) if one["loc"] else "", "target"): one["msg"] for one in error.errors()}
        return Asked(None, wrong={name: in_words(message) for name, message in told.items()})
    return Asked(question, evidence_for(question, start) if start else NO_EVIDENCE)


def texts_from(question: Question) -> dict[str, str]:
    """The texts of a form that asks a corpus's question, whose model is one of the book."""
    texts = dict(BLANK)
    for name, ours in FIELD_OF.items():
        value: Any = getattr(question, name)
        if isinstance(value, Range):
            value = value.likely
        if value is not None and isinstance(value, int | float) and not isinstance(value, bool):
            texts[ours] = f"{value * 100 if name in PERCENT else value:.10g}"
    target = question.target
    amounts = {"phrases": target.phrases, "gigabytes": target.text_bytes, "gigachars": target.chars}
    for unit, amount in amounts.items():
        if amount is not None:
            texts |= {"unit": unit, "target": f"{amount / TARGETS[unit]:.10g}"}
    price = question.price
    if price is None:
        texts["price"] = ""
    else:
        prices = (price.per_gpu_hour, price.per_million_prompt_tokens, price.per_million_completion_tokens)
        texts |= {
            name: "" if value is None else f"{value:.10g}"
            for name, value in zip(("price", "per_prompt", "per_written"), prices, strict=True)
        }
        texts["currency"] = price.currency
    texts |= {"language": question.language, "gpu": question.gpu, "quantisation": question.quantisation}
    texts["lora"] = "yes" if question.lora else ""
    return texts | {"model": shipped_book().model_name(question.model)}


def evidence_for(question: Question, start: Start) -> Evidence:
    """What was measured on a corpus, as far as it tells of this question: of its language, model and engines."""
    base = start.question
    unknown: dict[str, None] = {}
    book = shipped_book()
    same_text = question.language == base.language
    same_model = same_text and book.model_name(question.model) == book.model_name(base.model)
    same_engines = same_model and all(
        getattr(question, name) == getattr(base, name) for name in ("gpu", "lora", "quantisation", "streams")
    )
    if not same_engines:
        unknown |= dict.fromkeys(("phrases_per_s", "engines", "overhead_share"))
    if not same_model:
        unknown |= dict.fromkeys(("accept_share", "prompt_tokens_per_output", "completion_tokens_per_output"))
    if not same_text:
        unknown |= dict.fromkeys(("chars_per_phrase", "bytes_per_char"))
    return start.evidence.model_copy(update=unknown)


def in_words(message: str) -> str:
    """A message of the forecast, with the form's labels for the names of a question's fields."""
    for name in ("tokens_per_s_per_stream", "engines_per_gpu", "hours_a_night", "accept_share"):
        message = message.replace(name, f"“{FIELDS[FIELD_OF[name]].label}”")
    return message.replace("Give streams", f"Give “{FIELDS['streams'].label}”")


def _values(texts: Mapping[str, str], names: Collection[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of some fields, and what is wrong with the others of them."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name in [name for name in FIELDS if name in names]:
        try:
            values[name] = FIELDS[name].parse(texts[name])
        except FieldError as error:
            wrong[name] = str(error)
    return values, wrong


def _value(name: str, values: Mapping[str, Any]) -> object:
    """A field of a `Question` from those of the form."""
    if name == "target":
        unit = {"phrases": "phrases", "gigabytes": "text_bytes", "gigachars": "chars"}[values["unit"]]
        return {unit: values["target"] * TARGETS[values["unit"]]}
    if name == "price":
        return _price(values)
    value = values[FIELD_OF[name]]
    if name == "streams" and values["gpu"] == "hosted":
        return value or 1
    if name == "lora":
        return bool(value)
    if name in {"n", "oversample"}:  # these have no figure in the book
        value = value or {"n": 1, "oversample": 0}[name]
    return value / 100 if name in PERCENT and value is not None else value


def _price(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """By the token behind a hosted API, by the GPU hour elsewhere; None where it is not told."""
    told = {"currency": values["currency"]}
    if values["gpu"] != "hosted":
        return None if values["price"] is None else told | {"per_gpu_hour": values["price"]}
    by_token = {
        "per_million_prompt_tokens": values["per_prompt"] or 0.0,
        "per_million_completion_tokens": values["per_written"] or 0.0,
    }
    return told | by_token if any(by_token.values()) else None
