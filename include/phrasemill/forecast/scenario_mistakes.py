"""What is wrong with a scenario file, from pydantic's words into words for the person who wrote it."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from phrasemill.corpus_mistakes import LIMITS, WORDS
from phrasemill.corpus_text import CorpusText, Line
from phrasemill.fields import not_text
from phrasemill.mistakes import MISTAKE, Place


def mistake_lines(error: ValidationError, written: CorpusText, model: type[BaseModel]) -> list[Line]:
    """One line for each mistake."""
    return [written.line(detail["loc"], _words(detail, written, model)) for detail in error.errors()]


def _words(detail: ErrorDetails, written: CorpusText, model: type[BaseModel]) -> str:
    place, kind, given = detail["loc"], detail["type"], detail["input"]
    if kind == "missing":
        return WORDS[kind]
    if kind == "extra_forbidden":
        beside = list(_fields_beside(place, model))
        near = difflib.get_close_matches(str(place[-1]), beside, n=1)
        return f"is an unknown field; {f'did you mean {near[0]}?' if near else f'use one of these: {_listed(beside)}'}"
    if given is None and kind != MISTAKE:
        return f"is empty; {_requirement(detail)}"
    value = written.value(place)
    return f"{value} {_requirement(detail)}".lstrip()


def _requirement(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    for key, words in LIMITS.items():
        if key in context:
            return f"must be {words} {context[key]:g}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "string_type":
        return not_text(detail["input"])
    if kind == "model_type":
        return "must be a number, or low, likely and high" if context["class_name"] == "Range" else "must be a mapping"
    if kind in {MISTAKE, "value_error"}:
        return detail["msg"].removeprefix("Value error, ")
    return WORDS.get(kind, f"cannot be used here ({detail['msg']})")


def _fields_beside(place: Place, model: type[BaseModel]) -> Iterator[str]:
    """Names of the fields of the section that a field is in."""
    section = model
    for part in place[:-1]:
        if isinstance(part, str):
            section = next(_sections(section.model_fields[part].annotation))
    yield from section.model_fields


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - what typing makes has no type
    """The models in an annotation such as `Question`, `tuple[Case, ...]` or `Figure | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def _listed(names: list[str]) -> str:
    return ", ".join(names)
