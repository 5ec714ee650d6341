"""Forecast: the answer to a question, as ranges, with the assumptions that it stands on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from phrasemill.ranges import Range

Kind = Literal["measured", "derived", "assumed", "given"]


class Assumption(BaseModel):
    """One figure that the forecast stands on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    words: str
    value: Range
    unit: str
    source: str
    kind: Kind
    swing: float
    """By what the working time (elapsed time without the hours between nights) is multiplied or divided from this
    figure's one end to its other, all others being likely. 1: it does not matter."""


class Forecast(BaseModel):
    """What a target takes. Low is the smallest number of each figure, not the worst case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: Range
    """To be accepted, oversampling included."""
    chars: Range
    text_bytes: Range
    """UTF-8 bytes of their text."""
    outputs: Range
    """Outputs asked of the engines: accepted, rejected and done again."""
    prompt_tokens: Range
    completion_tokens: Range
    phrases_per_s: Range
    """Accepted phrases a second while engines are generating."""
    busy_s: Range
    """Seconds of generating."""
    useful_s: Range
    """Generating and what Airflow adds to it, without the start of each night."""
    night_start_s: Range
    """Seconds at the start of each night before the first phrase."""
    worked_s: Range
    """Seconds that engines are up: useful seconds and the start of every night."""
    nights: Range | None
    """Whole nights; None without `hours_a_night`."""
    elapsed_s: Range
    """Calendar time from the start of the first night to the last phrase."""
    gpu_hours: Range | None
    """None on a CPU and behind a hosted API."""
    money: Range | None
    """None without a price."""
    currency: str | None
    kwh: Range | None
    """Of the GPUs, or of the machine where there is none; None behind a hosted API."""
    engines: int | None
    """Engines in all; None for streams."""
    assumptions: tuple[Assumption, ...]
    """Largest swing first."""

    @property
    def matters_most(self) -> Assumption:
        """The assumption with the largest swing."""
        return self.assumptions[0]
