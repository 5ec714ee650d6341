"""NightSummary: what a night came to. It is summary.json, and the report page is drawn from it."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from phrasemill.gate.verdict import Severity
from phrasemill.manifest import Totals


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Progress(_Part):
    """How far the whole corpus has come, all nights together."""

    target_phrases: int
    shards: int = Field(description="Shards that the corpus will have, oversampling included")
    committed: Totals
    share: float = Field(description="Committed phrases of the target; above 1 with oversampling")


class ShardLine(_Part):
    """One committed shard of the night."""

    shard: int
    phrases: int
    committed_at: AwareDatetime
    run_id: str
    phrases_per_second: float | None
    reject_share: float
    mean_chars: float
    warnings: tuple[str, ...] = Field(description="Expectations that only warn and did not hold, in words")


class QuarantineLine(BaseModel):
    """One failed gate of a shard of the night; its shard may have been committed since."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    shard: int
    run: str
    reason: str
    verdict: dict[str, Any] | None = Field(default=None, exclude=True, description="Joins the expectations")


class Work(_Part):
    """What it took. Rates are None where nothing was timed."""

    prompt_tokens: int
    completion_tokens: int = Field(description="Of all outputs, rejected ones too")
    tokens_per_phrase: float | None = Field(description="Completion tokens a committed phrase")
    tokens_per_char: float | None = Field(description="Completion tokens a committed character")
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    seconds: float = Field(description="Time in which at least one shard was being generated")
    phrases_per_second: float | None = Field(description="Accepted phrases over those seconds")
    engines: int = Field(description="The most engines that one shard used")
    accepted: int
    judged: int = Field(description="Outputs judged, accepted or not")
    reject_share: float = Field(description="Rejected outputs of all judged")
    mean_attempt: float | None = Field(description="Re-asks a phrase needed, averaged over phrases")


class RejectLine(_Part):
    """One reject reason."""

    reason: str
    count: int
    share: float = Field(description="Of all outputs judged")
    examples: tuple[str, ...]


class Lengths(_Part):
    """Characters of the night's phrases. Quantile q is the shortest length that a share q does not exceed."""

    mean: float
    shortest: int
    p05: int
    median: int
    p95: int
    longest: int
    histogram: dict[int, int] = Field(description="Phrases by their number of characters")


class DiversityLine(_Part):
    """One diversity metric over the night's shards, as `phrasemill.gate.metrics` defines it."""

    metric: str
    mean: float = Field(description="Over phrases: every shard counts by its rows")
    lowest: float
    highest: float


class ExpectationLine(_Part):
    """One expectation over the shards of the night."""

    name: str
    kind: str
    column: str | None
    severity: Severity
    shards: int = Field(description="Verdicts that asked it, those in quarantine included where known")
    failed_shards: tuple[int, ...]
    observed: str = Field(description="In the first shard that failed; if none did, in all, lowest to highest")
    limit: str = Field(description="Of that shard: what chance explains depends on a shard's size")


class NightSummary(_Part):
    """One night of one corpus. Shares are of 1, times are UTC, `chars` are Unicode characters."""

    format: Literal[1] = 1
    corpus: str
    title: str
    language: str
    model: str = Field(description="As the engines serve it; the adapter where there is one")
    fingerprint: str
    date: str = Field(description="The night's label, such as 2026-11-01")
    night: int | None = Field(description="0 for the first night; None for a run by hand")
    run_id: str
    made_at: AwareDatetime
    complete: bool = Field(description="Every planned shard is committed")
    state: str = Field(description="In words: 'complete', or 'incomplete: ...' with what is missing")
    progress: Progress
    planned: tuple[int, ...]
    missing: tuple[int, ...] = Field(description="Planned shards without a manifest")
    quarantined: tuple[QuarantineLine, ...]
    shards: tuple[ShardLine, ...]
    phrases: int
    chars: int
    text_bytes: int = Field(description="UTF-8 bytes of the texts")
    data_bytes: int = Field(description="Bytes of the Parquet files")
    work: Work
    rejects: tuple[RejectLine, ...] = Field(description="The most frequent first")
    lengths: Lengths | None = Field(description="None while nothing is committed")
    diversity: tuple[DiversityLine, ...]
    expectations: tuple[ExpectationLine, ...] = Field(description="The worst first")
