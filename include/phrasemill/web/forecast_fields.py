"""The fields of the forecast's form: what each may be, and what the page says of it.

The query of the URL holds the text of each field under its name. An empty one takes what was measured on the corpus
chosen, or the book's assumption.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phrasemill.forecast.book import shipped_book

STEPS = 1000
"""Positions of a slider whose field grows by ratios."""
MAX_TEXT = 200


class FieldError(ValueError):
    """The text of a field is not one of its values; the message says which they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """A number between two ends, in steps; `by_ratio`: equal ways of the slider multiply it by equal ratios."""

    name: str
    label: str
    least: float
    most: float
    step: float = 1
    hint: str = ""
    by_ratio: bool = False
    whole: bool = False
    needed: bool = False

    def parse(self, text: str) -> float | None:
        """Its value; None where it is left to the corpus or the book.

        Raises:
            FieldError: it is no number, or out of range.
        """
        if not text and not self.needed:
            return None
        bounds = f"a number from {self.least:g} to {self.most:g}"
        try:
            value = float(text)
        except ValueError as error:
            raise FieldError(f"must be {bounds}") from error
        if not self.least <= value <= self.most:
            raise FieldError(f"must be {bounds}")
        if self.whole and value != math.floor(value):
            raise FieldError(f"must be a whole number from {self.least:g} to {self.most:g}")
        return value

    def position(self, value: float) -> float:
        """Where the slider stands for a value, as its range input counts."""
        if not self.by_ratio:
            return value
        return round(STEPS * math.log(max(value, self.least) / self.least) / math.log(self.most / self.least))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of some values, each with its words."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    hint: str = ""

    def parse(self, text: str) -> str:
        """Its value.

        Raises:
            FieldError: it is none of them.
        """
        if text not in dict(self.options):
            raise FieldError(f"must be one of: {', '.join(value for value, _ in self.options)}")
        return text


Field = Slider | Choice

TARGETS = {"phrases": 1e6, "gigabytes": 1e9, "gigachars": 1e9}
"""How much one of a unit is, in phrases, bytes or characters."""
MAIN: tuple[Field, ...] = (
    Slider(name="target", label="Target", least=0.0001, most=1000, by_ratio=True, needed=True),
    Choice(
        name="unit",
        label="of what",
        options=(
            ("phrases", "million phrases"),
            ("gigabytes", "GB of text"),
            ("gigachars", "billion characters"),
        ),
    ),
    Choice(name="language", label="Language", options=(("en", "English"), ("ru", "Russian"))),
    Choice(name="model", label="Model", options=tuple((name, name) for name in shipped_book().models)),
    Choice(
        name="gpu",
        label="Class of GPU",
        options=(
            ("24gb", "24 GB (L4, RTX 4090)"),
            ("48gb", "48 GB (L40S, A6000)"),
            ("80gb-hopper", "80 GB (H100, H200)"),
            ("96gb-blackwell", "96 GB (RTX PRO 6000)"),
            ("cpu", "CPU, no GPU"),
            ("hosted", "hosted API"),
        ),
    ),
    Slider(name="gpus", label="GPUs", least=1, most=64, whole=True, needed=True, hint="Machines, on a CPU."),
    Slider(name="engines", label="Engines a GPU", least=1, most=16, whole=True, hint="Empty: as the profile has it."),
    Slider(name="hours", label="Hours a night", least=0.5, most=24, step=0.5, needed=True, hint="24: without a pause."),
    Slider(name="price", label="Price of a GPU hour", least=0, most=100, step=0.05, hint="Empty: money is left out."),
    Slider(name="accept", label="Outputs accepted, %", least=0.1, most=100, step=0.1),
)
MORE: tuple[Field, ...] = (
    Slider(name="chars", label="Characters a phrase", least=10, most=500),
    Slider(name="prompt", label="Tokens a prompt", least=1, most=4000),
    Slider(name="written", label="Tokens written an output", least=1, most=1000),
    Slider(name="cached", label="Prompt tokens cached, %", least=0, most=99),
    Slider(name="oversample", label="Phrases beyond the target, %", least=0, most=100),
    Slider(name="n", label="Samples a prompt", least=1, most=128, whole=True, hint="Empty: 1."),
    Choice(name="lora", label="LoRA adapter", options=(("", "none"), ("yes", "loaded beside the model"))),
    Choice(name="quantisation", label="Quantisation", options=(("none", "none"), ("fp8", "FP8"))),
    Choice(
        name="currency",
        label="Currency of prices",
        options=tuple((name, name) for name in ("EUR", "USD", "GBP", "RUB")),
    ),
)
STREAMS: tuple[Field, ...] = (
    Slider(name="streams", label="Streams", least=1, most=1000, by_ratio=True, whole=True),
    Slider(name="rate", label="Tokens/s of a stream", least=0.5, most=500, by_ratio=True),
    Slider(name="per_prompt", label="Price, million prompt tokens", least=0, most=50, step=0.01),
    Slider(name="per_written", label="Price, million written tokens", least=0, most=100, step=0.01),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in (*MAIN, *MORE, *STREAMS)}
BLANK: Mapping[str, str] = dict.fromkeys(FIELDS, "") | {
    "target": "10",
    "unit": "phrases",
    "language": "en",
    "model": "qwen2.5-1.5b",
    "gpu": "80gb-hopper",
    "gpus": "1",
    "hours": "8",
    "price": "2.5",
    "quantisation": "none",
    "currency": "EUR",
}
"""The question of the project's beginning, on one GPU."""


def texts_of(query: Sequence[tuple[str, str]], *, start: Mapping[str, str] = BLANK) -> dict[str, str]:
    """The text of every field: the query's, the last where it is given twice; else that of `start`."""
    given = {name: text.strip()[:MAX_TEXT] for name, text in query if name in FIELDS}
    return {**start, **given}
