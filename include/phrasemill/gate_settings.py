"""GateThresholds: what a corpus asks of a whole shard, as its file says it."""

import difflib
from collections.abc import Collection
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from phrasemill.fields import Share, StrictModel
from phrasemill.mistakes import Mistakes

Severity = Literal["critical", "warning"]
Asked = Literal["critical", "warning", "off"]

ADJUSTABLE: dict[str, Severity] = {
    "characters of each phrase": "critical",
    "template coverage": "critical",
    "slot coverage": "critical",
    "language of the texts": "critical",
    "near-duplicate phrases": "critical",
    "mean characters a phrase": "critical",
    "characters of the shortest phrases (p05)": "critical",
    "characters of the longest phrases (p95)": "critical",
    "share of the most common opening": "critical",
    "distinct words (distinct-1)": "critical",
    "distinct word pairs (distinct-2)": "critical",
    "distinct word triples (distinct-3)": "critical",
    "compression ratio": "critical",
    "share of outputs rejected": "critical",
    "tokens a character": "warning",
    "mean re-asks a phrase": "warning",
    "attempts of each phrase": "warning",
}
"""Expectations whose severity a corpus may change, with the severity they have otherwise.

Those that only warn by themselves tell of time lost and say nothing against the phrases accepted in the end. All
others are about the identity of the rows (which ids, whose texts), which no corpus can do without.
"""


def off_for_false(value: object) -> object:
    """Severities as they were meant: YAML reads a bare off as false."""
    if isinstance(value, dict):
        return {name: "off" if severity is False else severity for name, severity in value.items()}
    return value


def refuse_others(names: Collection[str], *, adjustable: Collection[str]) -> None:
    """Refuse names of no expectation whose severity can be changed.

    Raises:
        ValidationError: to be raised inside a validator.
    """
    mistakes = Mistakes()
    for name in names:
        if name not in adjustable:
            near = difflib.get_close_matches(name, adjustable, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"those are {', '.join(adjustable)}"
            mistakes.add((name,), f"is no expectation whose severity can be changed; {hint}")
    mistakes.tell()


class GateThresholds(StrictModel):
    """What a whole shard must be. Shares are of 1, lengths are Unicode characters a phrase.

    Defaults are wide: they refuse what is plainly broken and let a first night tell where a model really sits. What
    each metric is, and what was measured for good and bad text, is told in docs/gate.md.
    """

    min_mean_chars: float = Field(default=60, ge=0)
    max_mean_chars: float = Field(default=140, ge=0)
    min_p05_chars: float | None = Field(default=None, ge=0)
    """19 in 20 phrases are at least this long. Null: half of min_mean_chars."""
    max_p95_chars: float | None = Field(default=None, ge=0)
    """19 in 20 phrases are at most this long. Null: one and a half times max_mean_chars."""
    min_tokens_per_char: float = Field(default=0.05, ge=0)
    max_tokens_per_char: float = Field(default=1.5, ge=0)
    min_language_share: Share = 0.9
    max_near_duplicate_share: Share = 0.15
    min_distinct_1: Share = 0.02
    min_distinct_2: Share = 0.4
    min_distinct_3: Share = 0.5
    max_top_opening_share: Share = 0.3
    max_compression_ratio: float = Field(default=10.0, ge=1)
    min_template_coverage: Share = 1.0
    min_slot_coverage: Share = 0.9
    max_reject_share: Share = 0.7
    max_mean_attempt: float = Field(default=3.0, ge=0)
    severity: dict[str, Asked] = Field(default_factory=dict)
    """By an expectation's name, as messages and reports have it: critical fails the shard, warning is told, off is
    not asked."""

    @property
    def shortest(self) -> float:
        """The least that the 5th percentile of lengths may be."""
        return self.min_mean_chars / 2 if self.min_p05_chars is None else self.min_p05_chars

    @property
    def longest(self) -> float:
        """The most that the 95th percentile of lengths may be."""
        return self.max_mean_chars * 1.5 if self.max_p95_chars is None else self.max_p95_chars

    def severity_of(self, name: str) -> Asked:
        """What the failure of an expectation means in this corpus."""
        return self.severity.get(name) or ADJUSTABLE.get(name, "critical")

    @field_validator("severity", mode="before")
    @classmethod
    def _off_is_no_truth_value(cls, value: object) -> object:
        return off_for_false(value)

    @field_validator("severity")
    @classmethod
    def _severities_are_of_expectations(cls, value: dict[str, str]) -> dict[str, str]:
        refuse_others(value, adjustable=ADJUSTABLE)
        return value

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        mistakes = Mistakes()
        ranges = (
            ("min_mean_chars", "max_mean_chars", self.max_mean_chars),
            ("min_tokens_per_char", "max_tokens_per_char", self.max_tokens_per_char),
            ("min_p05_chars", "the limit of the 95th percentile", self.longest),
        )
        for field, above, high in ranges:
            low = getattr(self, field)
            if low is not None and low > high:
                mistakes.add((field,), f"must not be above {above}, which is {high:g}", value=low)
        mistakes.tell()
        return self
