"""The limits of a hosted API as a connection gives them, and what is wrong with them in words."""

import difflib
import json

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from phrasemill.errors import EngineRefused
from phrasemill.limit_settings import ApiLimits
from phrasemill.visible import visible

EXAMPLE = '{"requests_per_minute": 60}'
SHOWN = 60
WORDS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": 'must be a time of day such as "12:00"',
}
LEAST = {"ge": "at least", "gt": "more than"}


def read_limits(given: object, *, where: str) -> ApiLimits:
    """Limits from a JSON object, or from its text; `where` says in an error where they stand.

    Raises:
        EngineRefused: they are none; the first mistake, with its field, its value and how to mend it.
    """
    found = given
    if isinstance(given, str):
        try:
            found = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise EngineRefused(f"{where}: {given!r:.{SHOWN}} is not JSON; write such as {EXAMPLE}") from error
    if not isinstance(found, dict):
        raise EngineRefused(f"{where}: {found!r:.{SHOWN}} is no JSON object; write such as {EXAMPLE}")
    try:
        return ApiLimits.model_validate(found)
    except ValidationError as error:
        raise EngineRefused(f"{where}: {_words(error.errors()[0])}") from error


def _words(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if not detail["loc"]:
        return f"limits {detail['msg'].removeprefix('Value error, ')}"
    name = str(detail["loc"][0])
    if kind == "extra_forbidden":
        fields = list(ApiLimits.model_fields)
        near = difflib.get_close_matches(name, fields, n=1)
        return f"{visible(name):.{SHOWN}} is not a limit; " + (
            f"did you mean {near[0]}?" if near else f"there are {', '.join(fields)}"
        )
    told = f"limits.{name} is {detail['input']!r:.{SHOWN}} and "
    if isinstance(detail["input"], bool):
        return f"{told}must be a number; correct it, or leave it out"
    for key, words in LEAST.items():
        if key in context:
            return f"{told}must be {words} {context[key]:g}; correct it, or leave it out"
    return f"{told}{WORDS.get(kind, detail['msg'].removeprefix('Value error, '))}; correct it, or leave it out"
