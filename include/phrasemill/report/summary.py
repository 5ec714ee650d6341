"""Summary: what a night, or a whole corpus, came to. It is summary.json, and the report page is drawn from it.

Shares are of 1, times are UTC, `chars` are Unicode characters. docs/reports.md explains the figures, and
docs/summary.schema.json is this model as a JSON schema.
"""

import json
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from phrasemill.gate.verdict import Severity
from phrasemill.manifest import Totals
from phrasemill.ranges import Range
from phrasemill.report.corpus_figures import CorpusFigures
from phrasemill.report.parts import Part
from phrasemill.report.words import spell_out


class Progress(Part):
    """How far the whole corpus has come, all nights together."""

    target_phrases: int
    shards: int = Field(description="Shards that the corpus will have, oversampling included")
    committed: Totals = Field(description="Of those shards")
    top_ups: Totals = Field(
        default_factory=Totals, description="Committed beyond those, where a release was short; none in older summaries"
    )
    share: float = Field(description="Committed phrases of the target, both together; above 1 with oversampling")


class AcceptedLine(Part):
    """Why a shard that failed the gate counts all the same."""

    by: str
    at: AwareDatetime
    reason: str
    failed: tuple[str, ...] = Field(description="The critical expectations that failed, in words")


class ShardLine(Part):
    """One committed shard."""

    shard: int
    phrases: int
    committed_at: AwareDatetime
    run_id: str
    phrases_per_second: float | None
    reject_share: float
    mean_chars: float
    warnings: tuple[str, ...] = Field(description="Expectations that only warn and did not hold, in words")
    accepted: AcceptedLine | None = Field(description="Set where it was accepted from quarantine")


class QuarantineLine(BaseModel):
    """One failed gate, and what has become of its shard."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    shard: int
    run: str
    reason: str
    now: Literal["held", "discarded", "committed", "accepted"] = Field(
        default="held",
        description="Held in quarantine; its rows removed; the shard written anew and committed; or accepted as it was",
    )
    verdict: dict[str, Any] | None = Field(default=None, exclude=True, description="Joins the expectations")


class RateLine(Part):
    """How fast phrases came in one stretch of time, all shards together."""

    start: AwareDatetime
    seconds: float
    phrases_per_second: float


class Work(Part):
    """What it took, of committed shards. Rates are None where nothing was timed."""

    prompt_tokens: int
    completion_tokens: int = Field(description="Of all outputs, rejected ones too")
    tokens_per_phrase: float | None = Field(description="Completion tokens a committed phrase")
    tokens_per_char: float | None = Field(description="Completion tokens a committed character")
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    seconds: float = Field(description="Time in which at least one shard was being generated")
    phrases_per_second: float | None = Field(description="Accepted phrases over those seconds")
    tokens_per_second: float | None = Field(description="Completion tokens over those seconds")
    engines: int = Field(description="The most engines that one shard used")
    accepted: int
    judged: int = Field(description="Outputs judged, accepted or not")
    reject_share: float = Field(description="Rejected outputs of all judged")
    mean_attempt: float | None = Field(description="Re-asks a phrase needed, averaged over phrases")
    rates: tuple[RateLine, ...] = Field(description="Phrases a second over time, at most 120 stretches of one length")


class Cost(Part):
    """What the work cost, by the corpus file's `price`."""

    currency: str
    amount: float
    per_million_phrases: float
    whole_target: float = Field(description="What the corpus's target will cost at this price a phrase")
    basis: str = Field(description="How it was reckoned, in words")


class Outlook(Part):
    """What is left of the whole corpus, oversampling included, and how long it will take."""

    phrases: int = Field(description="In shards without a manifest")
    shards: int
    phrases_per_second: Range | None = Field(description="Accepted, while generating; None where nothing was timed")
    seconds: Range | None = Field(description="Of generating, at that rate; low, likely and high")
    basis: str = Field(description="Where the rate comes from, in words")
    nights: int | None = Field(description="That the schedule needs for so many shards; None where nights are by hand")
    last_night: AwareDatetime | None = Field(
        description="When the schedule's last night begins; None if that is past, or nights are by hand"
    )


class RejectLine(Part):
    """One reject reason."""

    reason: str
    meaning: str
    count: int
    share: float = Field(description="Of all outputs judged")
    examples: tuple[str, ...]


class Lengths(Part):
    """Characters of the phrases. Quantile q is the shortest length that a share q does not exceed."""

    mean: float
    shortest: int
    p05: int
    median: int
    p95: int
    longest: int
    histogram: dict[int, int] = Field(description="Phrases by their number of characters")


class FigureLine(Part):
    """One metric over the shards, as `phrasemill.gate.metrics` defines it."""

    metric: str
    mean: float = Field(description="Over phrases: every shard counts by its rows")
    lowest: float
    highest: float


class OpeningLine(Part):
    """One common opening: the first three words of a phrase."""

    opening: str
    count: int = Field(description="Phrases that begin so; at least, unless exact")
    share: float = Field(description="Of all phrases")
    exact: bool = Field(description="Every shard counted it; else only those where it is among the most common")


class TemplateLine(Part):
    """Phrases of one template."""

    template: str
    phrases: int
    share: float


class SlotLine(Part):
    """How much of one lexicon the shards used."""

    slot: str
    lexemes: int = Field(description="In the lexicon")
    used: float = Field(description="Of a shard's possible lexemes, the share that occurs; averaged over shards")
    lowest: float


class LanguageLine(Part):
    """Phrases that read as one language."""

    language: str
    phrases: int = Field(description="Of those that the gate sampled for it")
    share: float


class NearDuplicateLine(Part):
    """Two phrases of one shard that have most of their words in common."""

    shard: int
    phrase_id: int
    text: str
    earlier_id: int
    earlier_text: str
    similarity: float = Field(description="Words in both, of words in either")


class ExpectationLine(Part):
    """One expectation over the shards."""

    name: str
    kind: str
    column: str | None
    severity: Severity
    shards: int = Field(description="Verdicts that asked it, those in quarantine included where known")
    failed_shards: tuple[int, ...] = Field(description="Failed, and not committed since under another verdict")
    mended_shards: tuple[int, ...] = Field(description="Failed once; since then committed under a verdict that holds")
    observed: str = Field(description="In the first shard that failed; if none did, in all, lowest to highest")
    limit: str = Field(description="Of that shard: what chance explains depends on a shard's size")


class PhraseLine(Part):
    """One phrase drawn at random."""

    phrase_id: int
    text: str = Field(description="Its first 1000 characters")
    chars: int = Field(description="Characters of the whole text")
    template: str
    scene: int


class TrendPoint(BaseModel):
    """A night in a few figures, to be compared with others."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    date: str
    phrases: int
    phrases_per_second: float | None = None
    reject_share: float | None = None
    mean_chars: float | None = None
    tokens_per_phrase: float | None = None
    figures: dict[str, float] = Field(default_factory=dict, description="Means of the night's metrics, by name")


class Summary(Part):
    """What nights and corpora have in common."""

    format: Literal[2] = 2
    corpus: str
    title: str
    language: str
    model: str = Field(description="As the engines serve it; the adapter where there is one")
    fingerprint: str
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
    cost: Cost | None = Field(description="None where the corpus file has no price, or nothing is committed")
    outlook: Outlook | None = Field(default=None, description="None where nothing is left, and in older summaries")
    rejects: tuple[RejectLine, ...] = Field(description="The most frequent first")
    lengths: Lengths | None = Field(description="None while nothing is committed")
    figures: tuple[FigureLine, ...]
    openings: tuple[OpeningLine, ...] = Field(description="The most common first")
    templates: tuple[TemplateLine, ...] = Field(description="The most frequent first")
    slots: tuple[SlotLine, ...]
    languages: tuple[LanguageLine, ...] = Field(description="The most frequent first")
    near_duplicates: tuple[NearDuplicateLine, ...] = Field(description="Some, whether or not there are too many")
    expectations: tuple[ExpectationLine, ...] = Field(description="The worst first")
    sample: tuple[PhraseLine, ...] = Field(description="Phrases drawn at random from at most eight shards")
    trend: tuple[TrendPoint, ...] = Field(description="Nights in order, the present one last where it is one")

    def as_json(self) -> bytes:
        """The summary as JSON in which no character is invisible, turns text around, or can begin HTML."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        return spell_out(text).encode()


class NightSummary(Summary):
    """One night of one corpus."""

    kind: Literal["night"] = "night"
    date: str = Field(description="The night's label, such as 2026-11-01")
    night: int | None = Field(description="0 for the first night; None for a run by hand")


class CorpusSummary(Summary):
    """A whole corpus, all nights together. A night is here the shards that one logical date owns."""

    kind: Literal["corpus"] = "corpus"
    corpus_figures: CorpusFigures | None = Field(description="From a sample of its rows; None while there are none")
