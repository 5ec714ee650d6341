"""Calibration: the record of what a minute of the real corpus on the engines at hand came to.

`phrasemill.forecast.calibrating` makes it; it lies in the corpus's bucket, or in a file.
"""

import datetime as dt
import logging
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from phrasemill.forecast.text_sample import TextFigures
from phrasemill.ranges import Range

if TYPE_CHECKING:
    from phrasemill.store.corpus_store import CorpusStore

log = logging.getLogger(__name__)


class WindowPart(BaseModel):
    """One part of the window. `tokens` by the engines' own counters; None where one has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    accepted: int
    tokens: float | None


class Calibration(BaseModel):
    """The record of one calibration. Rates are accepted phrases a second of all `engines` together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    corpus: str
    fingerprint: str
    model: str
    engines: int = Field(ge=1)
    at: AwareDatetime
    phrasemill: str
    vllm: str | None = Field(description="What the first engine says; None without")
    list_size: int
    in_flight: int
    n: int
    window_s: float
    parts: tuple[WindowPart, ...]
    accepted: int = Field(description="From the beginning of the ramp on, as all counts here")
    judged: int
    rejects: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    faults: int = Field(description="Lists that an engine failed on")
    client_cpu: float = Field(description="Cores that this process used in the window; at 1 it set the pace")
    steady_phrases_per_s: Range
    shard_phrases: int
    alone_s: tuple[float, ...] = Field(description="Seconds that shards took alone; none where one takes too long")
    alone_phrases: int
    drain_s: Range | None = Field(description="Seconds that filling and draining the engines add to a shard")
    phrases_per_s: Range = Field(description="Of shards one after the other")
    accept_share: Range
    prompt_tokens_per_output: Range | None
    completion_tokens_per_output: Range | None
    text: TextFigures | None = Field(description="None where no sampled answer passed the rules")

    @property
    def source(self) -> str:
        """Where its figures come from, in words."""
        engines = "1 engine" if self.engines == 1 else f"{self.engines} engines"
        return f"calibration of {self.at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC, {self.window_s:g} s on {engines}"


def calibration_key(root: str) -> str:
    """The key of a corpus's calibration; `root` is `store.keys.Keys.root`."""
    return f"{root}/calibration.json"


def keep_calibration(store: "CorpusStore", calibration: Calibration) -> str:
    """Put the record into the corpus's bucket, in place of an earlier one; returns its address.

    Raises:
        StoreError: the bucket refuses, or does not answer.
    """
    key = calibration_key(store.keys.root)
    store.bucket.put(key, calibration.model_dump_json(indent=1).encode(), content_type="application/json")
    return store.url(key)


def read_calibration(store: "CorpusStore") -> Calibration | None:
    """The calibration in the corpus's bucket; None without one of this version of phrasemill.

    Raises:
        StoreError: the bucket cannot be read.
    """
    key = calibration_key(store.keys.root)
    content = store.bucket.get(key)
    try:
        return Calibration.model_validate_json(content) if content else None
    except ValidationError:
        log.warning("%s is of another version and is not used; calibrate again", store.url(key))
        return None
