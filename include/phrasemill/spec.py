"""CorpusSpec: the validated form of one corpus file.

Field by field the models say what a value means and its unit. What decides the text of a corpus, and so its
fingerprint, is listed in `phrasemill.fingerprint`.
"""

import datetime as dt
import math
import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, croniter
from pydantic import Field, ValidationInfo, field_validator, model_validator

from phrasemill.fields import BucketName, Name, Prefix, StrictModel, Text
from phrasemill.gate_settings import GateThresholds
from phrasemill.limit_settings import ApiLimits
from phrasemill.mistakes import Mistakes
from phrasemill.price_settings import Price
from phrasemill.release_settings import ReleaseSettings
from phrasemill.rule_settings import PhraseRules
from phrasemill.templates import Prompts

CORPUS_DAG = "corpus_"  # a Dag id, and an asset's name, is this and the corpus's name
RELEASE_DAG = "release_"
ENGINES_POOL = "engines"  # the Airflow pool whose slots are the shards that share the engines
MAX_SHARDS_A_NIGHT = 1024  # Airflow's max_map_length
MAX_SHARDS = 100_000  # a shard's number has five digits in keys and labels


class Schedule(StrictModel):
    """When nights happen. `cron` null means: by hand only."""

    start_date: dt.date
    cron: str | None = None
    timezone: str = "UTC"
    shards_per_night: int = Field(ge=1)
    catchup: bool = False
    deadline_hours: float | None = Field(default=None, gt=0, le=720)
    """Hours after a night was queued by which it should have ended; a notice is sent if it has not."""

    @field_validator("start_date", mode="before")
    @classmethod
    def _date_is_a_day(cls, value: object) -> object:
        """Pydantic takes a number for seconds since 1970, and midnight for a day."""
        try:
            day = dt.date.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            day = None
        if type(day) is not dt.date:
            raise ValueError("must be a date such as 2026-11-23, without a time")
        return day

    @field_validator("cron")
    @classmethod
    def _cron_fires(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # Airflow shows five fields; croniter also knows R and H, which pick times at random or by a hash.
        if len(value.split()) != 5 or re.search(r"\b[HR]\b", value, re.IGNORECASE) or not croniter.is_valid(value):
            raise ValueError('must be a cron expression of five fields such as "0 22 * * *", or null')
        try:
            croniter(value, dt.datetime(2000, 1, 1, tzinfo=dt.UTC)).get_next()
        except CroniterBadDateError as error:
            raise ValueError("names a day that never comes; correct day and month") from error
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("must be an IANA time zone such as Europe/Berlin")
        return value

    @field_validator("shards_per_night")
    @classmethod
    def _night_can_be_mapped(cls, value: int) -> int:
        if value > MAX_SHARDS_A_NIGHT:
            raise ValueError(
                f"must be at most {MAX_SHARDS_A_NIGHT}, all that Airflow maps in one run; "
                "raise shard_phrases for more phrases a night"
            )
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that the cron expression is read in."""
        return ZoneInfo(self.timezone)


class Model(StrictModel):
    """The model's name as the engines serve it, and the name of a LoRA adapter to ask for instead."""

    name: Text
    adapter: Text | None = None
    chat: bool = True  # False for base models: the prompt is sent as it is written

    @property
    def served(self) -> str:
        """The name to put into requests."""
        return self.adapter or self.name


class Sampling(StrictModel):
    """Sampling parameters. Anything beyond temperature is a slower sampler path in vLLM."""

    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=64, ge=8, le=1024)
    n: int = Field(default=1, ge=1, le=128)
    """Samples asked of one prompt: more is faster, and neighbours then share their lexemes."""
    phrases_per_prompt: int = Field(default=1, ge=1, le=32)
    """Phrases asked for in one answer, as a numbered list that is taken apart; they share their lexemes too."""
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=4)  # "\n" is one, so no Text
    """Texts that end an answer, four at most as hosted APIs allow; base models go on with another example."""

    @property
    def group(self) -> int:
        """Consecutive phrases that share the prompt of their first attempt."""
        return self.n * self.phrases_per_prompt


class Storage(StrictModel):
    """Where the corpus lives: s3://bucket/prefix/<corpus>/."""

    bucket: BucketName = "phrasemill"
    prefix: Prefix = "corpora"
    connection: Text = "phrasemill_s3"


class Engines(StrictModel):
    """How the engines are asked. Changing it changes speed, never the text."""

    connection: Text = "phrasemill_engines"
    list_size: int = Field(default=64, ge=1, le=1024)
    in_flight: int = Field(default=1024, ge=1)
    """Prompts kept in flight an engine: 1.5 to 2 times its max_num_seqs."""
    limits: ApiLimits | None = None
    """Of a hosted API; the connection may have its own, which win."""


class CorpusSpec(StrictModel):
    """One corpus: what to write, how, how much of it and when."""

    name: Name
    title: Text
    description: str = ""
    language: Literal["en", "ru"]
    target_phrases: int = Field(ge=1, le=10**12)
    shard_phrases: int = Field(ge=1, le=1_000_000)
    block_phrases: int = Field(ge=1, le=100_000)
    oversample: float = Field(default=0.0, ge=0, le=1)
    schedule: Schedule
    model: Model
    sampling: Sampling = Sampling()
    prompts: Prompts
    rules: PhraseRules = PhraseRules()
    gate: GateThresholds = GateThresholds()
    release: ReleaseSettings = ReleaseSettings()
    storage: Storage = Storage()
    engines: Engines = Engines()
    price: Price | None = None

    @field_validator("shard_phrases")
    @classmethod
    def _shards_fill_the_target(cls, value: int, info: ValidationInfo) -> int:
        if (target := info.data.get("target_phrases", 0)) % value:
            below = target - target % value
            near = f"{below} or {below + value}" if below else f"{value}"
            raise ValueError(f"does not divide target_phrases {target}; make target_phrases {near}")
        return value

    @field_validator("block_phrases")
    @classmethod
    def _blocks_fill_the_shard(cls, value: int, info: ValidationInfo) -> int:
        if (shard := info.data.get("shard_phrases", 0)) % value:
            below = next(size for size in range(min(value, shard), 0, -1) if shard % size == 0)
            raise ValueError(f"does not divide shard_phrases {shard}; the next smaller that does: {below}")
        return value

    @field_validator("sampling")
    @classmethod
    def _samples_lie_in_one_block(cls, value: Sampling, info: ValidationInfo) -> Sampling:
        if (block := info.data.get("block_phrases", 0)) % value.group:
            mistakes = Mistakes()
            told = f"must divide block_phrases {block}, so that samples of a prompt lie in one block"
            if value.phrases_per_prompt == 1:
                mistakes.add(("n",), told)
            else:
                mistakes.add(("phrases_per_prompt",), f"times n is {value.group}, which {told}")
            mistakes.tell()
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        mistakes = Mistakes()
        if self.shard_count > MAX_SHARDS:
            mistakes.add(("shard_phrases",), f"makes {self.shard_count} shards, more than {MAX_SHARDS}; raise it")
        limits, price = self.engines.limits, self.price
        if limits and limits.budget_per_night and not (price and price.by_token):
            told = "needs the price of tokens; give price.per_million_prompt_tokens and per_million_completion_tokens"
            mistakes.add(("engines", "limits", "budget_per_night"), told)
        mistakes.tell()
        return self

    @property
    def shard_count(self) -> int:
        """Shards to write, oversampling included."""
        return math.ceil(round(self.target_phrases * (1 + self.oversample) / self.shard_phrases, 6))

    @property
    def blocks_per_shard(self) -> int:
        """Blocks in every shard."""
        return self.shard_phrases // self.block_phrases
