"""What is wrong with a corpus, from pydantic's words into words for the person who wrote the file."""

import difflib
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from phrasemill.corpus_text import CorpusText, Line
from phrasemill.fields import not_text
from phrasemill.mistakes import MISTAKE, Place
from phrasemill.spec import CorpusSpec

WORDS = {
    "missing": "is missing; add it",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of at most 4300 digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of names to lists",
    "too_short": "must have at least one entry",
    "string_too_short": "must not be empty",
}
LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def mistake_lines(error: ValidationError, corpus: CorpusText) -> list[Line]:
    """One line for each mistake."""
    details = [_at_its_key(detail) for detail in error.errors()]
    meant = {
        (*detail["loc"][:-1], near)
        for detail in details
        if detail["type"] == "extra_forbidden" and (near := _field_meant(detail["loc"]))
    }
    # A misspelt field is one mistake, not an unknown field and a missing one.
    told = [detail for detail in details if not (detail["type"] == "missing" and detail["loc"] in meant)]
    return [corpus.line(detail["loc"], _words(detail, corpus)) for detail in told]


def _at_its_key(detail: ErrorDetails) -> ErrorDetails:
    """A mistake in a mapping's key is told at that key."""
    if detail["loc"][-1:] == ("[key]",):
        detail["loc"] = detail["loc"][:-1]
    return detail


def _words(detail: ErrorDetails, corpus: CorpusText) -> str:
    place, kind = detail["loc"], detail["type"]
    value = corpus.value(place)
    if kind == "missing":
        return WORDS[kind]
    if kind == "extra_forbidden":
        near = _field_meant(place)
        hint = (
            f"did you mean {near}?" if near else f"remove it, or use one of these: {', '.join(_fields_beside(place))}"
        )
        return f"is an unknown field{f' (with the value {value})' if value else ''}; {hint}"
    if detail["input"] is None and kind != MISTAKE:
        return f"is empty; {_requirement(detail)}"
    if not corpus.has(place) and isinstance(detail["input"], int | float):
        value = f"{detail['input']:g} (its default)"
    return f"{value} {_requirement(detail)}".lstrip()


def _requirement(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    for key, words in LIMITS.items():
        if key in context:
            limit = context[key]
            return f"must be {words} {f'{limit:g}' if isinstance(limit, float) else limit}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "string_type":
        return not_text(detail["input"])
    if kind in {MISTAKE, "value_error"}:
        return detail["msg"].removeprefix("Value error, ")
    if kind == "model_type":
        return f"must be a mapping with these fields: {', '.join(_fields_beside((*detail['loc'], '')))}"
    return WORDS.get(kind, "cannot be used here; see include/corpora/demo.yaml for an example")


def _field_meant(place: Place) -> str | None:
    near = difflib.get_close_matches(str(place[-1]), _fields_beside(place), n=1)
    return near[0] if near else None


def _fields_beside(place: Place) -> list[str]:
    """Names of the fields of the section that a field is in."""
    section: type[BaseModel] = CorpusSpec
    for part in place[:-1]:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = next(kind for kind in (annotation, *get_args(annotation)) if _is_section(kind))
    return list(section.model_fields)


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
