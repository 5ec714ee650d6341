"""Manifest: the JSON record whose existence means 'this shard is committed'."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from phrasemill.facts import Facts
from phrasemill.writing_time import written_between

VERDICT_APART = frozenset({"samples"})
"""Fields of a verdict that its own file has and the manifest does without: a report reads 400 manifests."""


class Acceptance(BaseModel):
    """Somebody's word that a shard is good enough although the gate failed it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str = Field(min_length=1)
    at: AwareDatetime
    reason: str = Field(min_length=1)
    failed: tuple[str, ...]
    """The critical expectations that failed, with what was observed and what is allowed."""
    quarantine_key: str
    """Of the record of the failed gate."""


class Manifest(BaseModel):
    """One committed shard: what it holds, where its data is, what it took, and what the gate said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    corpus: str
    shard: int = Field(ge=0)
    first_id: int = Field(ge=0)
    rows: int = Field(ge=0)
    fingerprint: str
    data_key: str
    """Key of the Parquet file in the bucket."""
    data_sha256: str
    data_bytes: int = Field(ge=0)
    chars: int = Field(ge=0)
    """Unicode characters of all its texts."""
    text_bytes: int = Field(ge=0)
    """UTF-8 bytes of all its texts."""
    committed_at: AwareDatetime
    run_id: str
    facts: Facts
    verdict: dict[str, Any]
    """A `phrasemill.gate.Verdict` as JSON, less VERDICT_APART."""
    verdict_key: str = ""
    """Key of the whole verdict; empty in manifests older than it."""
    accepted: Acceptance | None = None
    """Set where the gate failed the shard and somebody accepted it."""

    @property
    def label(self) -> str:
        """The shard's name in keys, logs and the UI, such as shard-00017."""
        return f"shard-{self.shard:05d}"

    @property
    def generating(self) -> tuple[dt.datetime, dt.datetime] | None:
        """When its phrases were written, a pause before it was resumed left out; None if that is not known."""
        return written_between(self.facts.started_at, self.facts.finished_at, seconds=self.facts.seconds)


class Totals(BaseModel):
    """Committed work added up: shards, phrases, Unicode characters, UTF-8 bytes of text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shards: int = 0
    phrases: int = 0
    chars: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> Self:
        """Add up some manifests."""
        shards = phrases = chars = size = 0
        for manifest in manifests:
            shards += 1
            phrases += manifest.rows
            chars += manifest.chars
            size += manifest.text_bytes
        return cls(shards=shards, phrases=phrases, chars=chars, bytes=size)
