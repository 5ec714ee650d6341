"""The book of a forecast: constants and measured rates, each with its source. Data in YAML beside this module."""

from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from phrasemill.fields import StrictModel, Text
from phrasemill.forecast.question import Figure, ForecastError, GpuClass
from phrasemill.ranges import Range

BookKind = Literal["measured", "derived", "assumed"]
Source = Annotated[Text, Field(min_length=12)]
Rate = Annotated[float, Field(gt=0)]


class BookError(ForecastError):
    """The book is wrong, or has nothing on what was asked; the message says what and what there is."""


class Sourced(StrictModel):
    """A figure with its kind and where it comes from."""

    value: Figure
    kind: BookKind
    source: Source


class Constant(Sourced):
    """One figure that forecasts assume, in words and with its unit."""

    words: Text
    unit: Text


class Shape(StrictModel):
    """What one output costs an engine: tokens of its prompt, the share of them that is cached, tokens written."""

    prompt_tokens: float = Field(gt=0)
    prefix_cache_share: float = Field(ge=0, lt=1)
    completion_tokens: float = Field(gt=0)

    def work(self, prompt_token_cost: float) -> float:
        """Its work in written tokens; a computed prompt token counts `prompt_token_cost` of one."""
        return self.completion_tokens + prompt_token_cost * self.prompt_tokens * (1 - self.prefix_cache_share)


class ModelEntry(StrictModel):
    """A model that forecasts know. Bounds are outputs a second at the book's reference shape."""

    served: Text
    """Its name on the hub."""
    tokenizer: Text
    size: Literal["0.1b", "0.5b", "1.5b", "7b"]
    engine_bound: Sourced
    """Of one engine where the GPU is no limit."""
    gpu_bound: Sourced
    """Of a full H100."""


class MeasuredRate(StrictModel):
    """Outputs a second of some engines on one GPU, from one or several runs. None: the reference's shape."""

    model: Text
    gpu: GpuClass
    engines: int = Field(ge=1)
    machine: Text
    client: Literal["bare", "mill"]
    kind: Literal["measured", "derived"] = "measured"
    outputs_per_s: Annotated[tuple[Rate, ...], Field(min_length=1)]
    prompt_tokens: float | None = Field(default=None, gt=0)
    completion_tokens: float | None = Field(default=None, gt=0)


class Observed(StrictModel):
    """All rates of one model and number of engines on one class of GPU, at the reference shape."""

    engines: int
    value: Range
    kind: Literal["measured", "derived"]
    runs: int
    source: Text


class Book(StrictModel):
    """Constants, models and rates."""

    constants: Mapping[str, Constant]
    reference: Shape
    models: Mapping[str, ModelEntry]
    rates: tuple[MeasuredRate, ...]
    machines: Mapping[str, Source]
    """Where the rates of each machine are written down."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for rate in self.rates:
            if rate.model not in self.models:
                raise ValueError(f"a rate is of {rate.model}, which is not among the models")
            if rate.machine not in self.machines:
                raise ValueError(f"the rate of {rate.model} with {rate.engines} engines has no source: {rate.machine}")
        return self

    def constant(self, name: str, *keys: str) -> Constant:
        """The constant for these keys (tokenizer and language, a model, a class of GPU), the most specific first.

        Raises:
            BookError: there is none.
        """
        for length in range(len(keys), -1, -1):
            found = self.constants.get(".".join([name, *keys[:length]]))
            if found is not None:
                return found
        raise BookError(f"the book has no {'.'.join([name, *keys])}; add it to constants.yaml with its source")

    def model(self, name: str) -> ModelEntry:
        """A model by its name in the book, or by its name on the hub.

        Raises:
            BookError: the book does not know it.
        """
        return self.models[self.model_name(name)]

    def model_name(self, name: str) -> str:
        """The book's name of a model that is given by this or by its name on the hub.

        Raises:
            BookError: the book does not know it.
        """
        for key, entry in self.models.items():
            if name.lower() in {key, entry.served.lower()}:
                return key
        raise BookError(f"the book has no rates of the model {name}; it knows: {', '.join(self.models)}")

    def observed(self, model: str, gpu: GpuClass) -> tuple[Observed, ...]:
        """What was measured of a model on a class of GPU, fewest engines first; empty if nothing was.

        Low and high are the slowest and the fastest run of all machines and both clients, likely is their median. With
        fewer than three runs they are widened by machine_drift. Runs of another shape are brought to the reference's.
        """
        rates = [rate for rate in self.rates if (rate.model, rate.gpu) == (model, gpu)]
        counts = sorted({rate.engines for rate in rates})
        return tuple(self._together([rate for rate in rates if rate.engines == count]) for count in counts)

    def without(self, machines: Collection[str]) -> "Book":
        """The book as it was before some machines were measured."""
        return self.model_copy(update={"rates": tuple(rate for rate in self.rates if rate.machine not in machines)})

    def _together(self, rates: list[MeasuredRate]) -> Observed:
        cost = self.constant("prompt_token_cost").value.likely
        runs: list[float] = []
        for rate in rates:
            given = {
                "prompt_tokens": rate.prompt_tokens or self.reference.prompt_tokens,
                "completion_tokens": rate.completion_tokens or self.reference.completion_tokens,
            }
            ratio = self.reference.model_copy(update=given).work(cost) / self.reference.work(cost)
            runs += [figure * ratio for figure in rate.outputs_per_s]
        drift = self.constant("machine_drift").value if len(runs) < 3 else Range.exactly(1.0)
        machines = dict.fromkeys(rate.machine for rate in rates)
        return Observed(
            engines=rates[0].engines,
            value=Range(low=min(runs) * drift.low, likely=median(runs), high=max(runs) * drift.high),
            kind="derived" if any(rate.kind == "derived" for rate in rates) else "measured",
            runs=len(runs),
            source="; ".join(self.machines[machine] for machine in machines),
        )


@cache
def shipped_book() -> Book:
    """The book that comes with phrasemill."""
    folder = files("phrasemill.forecast")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in ("constants.yaml", "rates.yaml")]
    return parse_book(*texts)


def parse_book(constants: str, rates: str) -> Book:
    """A book from the text of its two YAML files.

    Raises:
        BookError: they are not YAML, or something is missing, a source above all; a line for every mistake.
    """
    try:
        content: dict[str, Any] = {"constants": yaml.safe_load(constants), **yaml.safe_load(rates)}
        return Book.model_validate(content)
    except (yaml.YAMLError, TypeError) as error:
        raise BookError(f"the book of the forecast is not YAML: {error}") from error
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, one['loc'])) or 'book'}: {one['msg']}" for one in error.errors()]
        raise BookError("\n".join(["the book of the forecast is wrong:", *mistakes])) from error
