"""Question: what a forecast is asked about, and the evidence that replaces the book's assumptions."""

from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from phrasemill.errors import PhrasemillError
from phrasemill.fields import StrictModel, Text
from phrasemill.mistakes import Mistakes
from phrasemill.price_settings import Price
from phrasemill.ranges import Range

Language = Literal["en", "ru"]
GpuClass = Literal["24gb", "48gb", "80gb-hopper", "96gb-blackwell", "cpu", "hosted"]
"""The classes of the serving profiles; `cpu`: no GPU; `hosted`: somebody else's engines, behind an API."""
GPU_CLASSES: tuple[GpuClass, ...] = get_args(GpuClass)
LEAST, MOST, MOST_TEXT = 1e-9, 1e9, 1e18
"""What figures and targets may be: far beyond all that is asked in earnest, and all products of them are finite."""


def _number_is_known(value: object) -> object:
    """A bare number is a figure that is known exactly."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return Range.exactly(float(value))
        except OverflowError as error:
            raise ValueError(f"must be at most {MOST:g}") from error
    return value


def positive(value: Range) -> Range:
    """The range, if it is one of a figure above 0 that can be reckoned with.

    Raises:
        ValueError: it is not.
    """
    if value.low <= 0:
        raise ValueError("must be above 0")
    if not LEAST <= value.low <= value.high <= MOST:
        raise ValueError(f"must be from {LEAST:g} to {MOST:g}")
    return value


def _not_negative(value: Range) -> Range:
    if value.low < 0:
        raise ValueError("must not be below 0")
    if value.high > MOST:
        raise ValueError(f"must be at most {MOST:g}")
    return value


def _share(value: Range) -> Range:
    if value.low < 0 or value.high > 1:
        raise ValueError("must be a share from 0 to 1")
    return value


Figure = Annotated[Range, BeforeValidator(_number_is_known)]
"""A range, or one number. What it must be is checked by `Question`."""


class ForecastError(PhrasemillError):
    """A question that no forecast answers, or a book that cannot; the message says which and what to do."""


class Target(StrictModel):
    """How much text is wanted, in exactly one of three units."""

    phrases: float | None = Field(default=None, ge=LEAST, le=MOST_TEXT)
    text_bytes: float | None = Field(default=None, ge=LEAST, le=MOST_TEXT)
    """UTF-8 bytes of the phrases' text alone."""
    chars: float | None = Field(default=None, ge=LEAST, le=MOST_TEXT)
    """Unicode characters."""

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        given = [name for name in ("phrases", "text_bytes", "chars") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of phrases, text_bytes and chars")
        return self


class Question(StrictModel):
    """Everything a forecast depends on. None means: take the book's assumption, or what `Evidence` measured.

    A figure may be one number or a Range; what is given here replaces both the book's and the measured figure.
    """

    target: Target
    language: Language = "en"
    model: Text = "qwen2.5-1.5b"
    """A model of the rate book."""
    gpu: GpuClass = "80gb-hopper"
    gpus: int = Field(default=1, ge=1, le=MOST)
    """GPUs, or machines where `gpu` is cpu."""
    engines_per_gpu: int | None = Field(default=None, ge=1, le=MOST)
    """None: as the shipped profile of this GPU and model has it. It counts for nothing with `streams`."""
    in_flight: int | None = Field(default=None, ge=1, le=MOST)
    """Phrases in flight in all; None: as many as keep the engines full."""
    streams: int | None = Field(default=None, ge=1, le=MOST)
    """Answers written side by side, each at `tokens_per_s_per_stream`: replaces the book's rates."""
    tokens_per_s_per_stream: Figure | None = None
    """Completion tokens a second of one stream, as a throttled API or a server without batching gives."""
    quantisation: Literal["none", "fp8"] = "none"
    lora: bool = False
    n: int = Field(default=1, ge=1, le=MOST)
    """Samples asked of one prompt."""
    phrase_chars: Figure | None = None
    """Unicode characters of an accepted phrase, on average."""
    bytes_per_char: Figure | None = None
    prompt_tokens: Figure | None = None
    """Tokens of one prompt, template included."""
    completion_tokens: Figure | None = None
    """Tokens written for one output, accepted or not."""
    prefix_cache_share: Figure | None = None
    """Prompt tokens that the prefix cache saves, 0 to 1."""
    accept_share: Figure | None = None
    """Outputs that become phrases, 0 to 1."""
    oversample: float = Field(default=0.0, ge=0, le=MOST)
    """Phrases written beyond the target, as a share of it."""
    failures: Figure | None = None
    """Share of the work that is done again because a shard fails, 0 to 1."""
    shards: int | None = Field(default=None, ge=1, le=MOST)
    hours_a_night: float | None = Field(default=None, gt=0, le=24)
    """None: without a pause until it is done."""
    start_s: Figure | None = None
    """Seconds at the start of a night before the first phrase."""
    overhead_share: Figure | None = None
    """Time that Airflow adds to generating, as a share of the generating time."""
    price: Price | None = None
    """`per_gpu_hour` is paid for each of `gpus` while engines run; `Price.gpus` must then be 1 or the same."""
    watts_per_gpu: Figure | None = None

    @model_validator(mode="after")
    def _figures_make_sense(self) -> Self:
        mistakes = Mistakes()
        checks = {
            positive: (
                *("tokens_per_s_per_stream", "phrase_chars", "bytes_per_char"),
                *("completion_tokens", "accept_share", "watts_per_gpu"),
            ),
            _not_negative: ("prompt_tokens", "start_s", "overhead_share"),
            _share: ("prefix_cache_share", "accept_share", "failures"),
        }
        for check, names in checks.items():
            for name in names:
                value: Range | None = getattr(self, name)
                try:
                    if value is not None:
                        check(value)
                except ValueError as error:
                    mistakes.add((name,), str(error))
        if self.streams is not None and self.tokens_per_s_per_stream is None:
            mistakes.add(("streams",), "needs tokens_per_s_per_stream")
        if self.tokens_per_s_per_stream is not None and self.streams is None and self.in_flight is None:
            mistakes.add(("tokens_per_s_per_stream",), "needs streams, or in_flight where the book has the engines")
        if self.gpu == "hosted" and self.streams is None:
            mistakes.add(("streams",), "must be given for a hosted API, with its tokens_per_s_per_stream")
        if self.gpu == "hosted" and self.price is not None and self.price.per_gpu_hour is not None:
            mistakes.add(("price",), "of a hosted API is by the token, not by the GPU hour")
        if self.price is not None and max(_prices(self.price)) > MOST:
            mistakes.add(("price",), f"must be at most {MOST:g}")
        if self.price is not None and self.price.gpus not in {1, self.gpus}:
            mistakes.add(("price",), f"is for {self.price.gpus} GPUs and the question for {self.gpus}")
        mistakes.tell()
        return self


def _prices(price: Price) -> tuple[float, ...]:
    return price.per_gpu_hour or 0.0, price.per_million_prompt_tokens, price.per_million_completion_tokens


class Measured(StrictModel):
    """A figure that was measured, and where it comes from in words."""

    value: Figure
    source: Text


class Evidence(StrictModel):
    """What was measured on the corpus at hand. Each figure replaces the book's; None: not measured."""

    phrases_per_s: Measured | None = None
    """Accepted phrases a second, of all engines that were measured together."""
    engines: int | None = Field(default=None, ge=1)
    """How many engines `phrases_per_s` is of; None: as many as the question asks about."""
    accept_share: Measured | None = None
    chars_per_phrase: Measured | None = None
    bytes_per_char: Measured | None = None
    prompt_tokens_per_output: Measured | None = None
    """Prompt tokens that were counted for one output: a prompt's tokens over n."""
    completion_tokens_per_output: Measured | None = None
    overhead_share: Measured | None = None
    """Time beside generating, as a share of the generating time."""


NO_EVIDENCE = Evidence()
