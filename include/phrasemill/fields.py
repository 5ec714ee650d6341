"""Kinds of field that corpus files have, and the model that all their sections are made of."""

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)


class StrictModel(BaseModel):
    """A section of a corpus file: no field but its own, and none changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic takes true for 1."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind in {int, float, int | None, float | None}:
            raise ValueError(f"is read by YAML as {str(value).lower()}; write a number")
        return value


def not_text(value: object) -> str:
    """What is wrong with a value where text must stand, and what to do."""
    match value:
        case None:
            return "must be text"
        case list() | dict():
            kind = "a list" if isinstance(value, list) else "a mapping"
            return f"must be text, and YAML reads this as {kind}; put it in quotes if it is text"
        case bool():
            kind = str(value).lower()
        case int() | float():
            kind = "a number"
        case _:
            kind = "a date"
    return f"is read by YAML as {kind}; put it in quotes"


def _spelt(pattern: re.Pattern[str], words: str) -> AfterValidator:
    """Text must match the pattern as a whole; `words` say how it must look."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(words)
        return value

    return AfterValidator(check)


NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*)?")

Name = Annotated[str, _spelt(NAME, "must be 1 to 64 small letters (a to z), digits and _, a letter first")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
BucketName = Annotated[
    str,
    _spelt(BUCKET, "must be 3 to 63 small letters, digits, dots and hyphens, a letter or digit at both ends"),
]
Prefix = Annotated[
    str,
    _spelt(PREFIX, "must be words of letters (a to z), digits, dots, - and _, with / between them and at no end"),
]
