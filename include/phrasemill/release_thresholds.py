"""ReleaseThresholds: what a corpus asks of a whole release, as its file says it under release.gate."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from phrasemill.fields import Share, StrictModel
from phrasemill.gate_settings import Asked, Severity, off_for_false, refuse_others
from phrasemill.mistakes import Mistakes

ADJUSTABLE: dict[str, Severity] = {
    "dropped as exact duplicates": "critical",
    "dropped as near-duplicates": "critical",
    "near-duplicates left": "critical",
    "template coverage": "critical",
    "slot coverage": "critical",
    "language of the texts": "critical",
    "distinct words (distinct-1)": "critical",
    "distinct word pairs (distinct-2)": "critical",
    "distinct word triples (distinct-3)": "critical",
    "growth of the vocabulary (Heaps)": "critical",
    "frequency of words by rank (Zipf)": "critical",
    "lexical diversity (MTLD)": "critical",
}
"""Expectations whose severity a corpus may change, with the severity they have otherwise.

All others are about which phrases the release holds, which no release can do without.
"""


class ReleaseThresholds(StrictModel):
    """What a whole release must be. Shares are of 1.

    Defaults are wide, as those of a shard's gate are: they refuse what is plainly broken. What each figure is, and
    what was measured for good and bad text, is told in docs/gate.md.
    """

    max_exact_duplicate_share: Share = 0.3
    """Of committed phrases, those dropped because an earlier one has the same text."""
    max_near_duplicate_share: Share = 0.3
    """Of committed phrases, those dropped because an earlier one has most of their words."""
    max_near_duplicates_left: Share = 0.01
    """Of released phrases, those that an independent search of a sample still finds."""
    min_template_coverage: Share = 0.5
    """Of the phrases that a template's weight gives it, those it has; the least of all templates."""
    min_slot_coverage: Share = 0.9
    """Of the lexemes that so many phrases can be expected to have."""
    min_language_share: Share = 0.9
    min_distinct_1: Share = 0.02
    min_distinct_2: Share = 0.2
    min_distinct_3: Share = 0.3
    min_heaps_exponent: float = Field(default=0.1, ge=0, le=1)
    min_zipf_slope: float = Field(default=0.1, ge=0)
    max_zipf_slope: float = Field(default=2.0, ge=0)
    min_mtld: float = Field(default=20.0, ge=0)
    severity: dict[str, Asked] = Field(default_factory=dict)
    """By an expectation's name, as verdicts have it: critical keeps the release back, warning is told, off is not
    asked."""

    def severity_of(self, name: str) -> Asked:
        """What the failure of an expectation means for this corpus."""
        return self.severity.get(name) or ADJUSTABLE.get(name, "critical")

    @field_validator("severity", mode="before")
    @classmethod
    def _off_is_no_truth_value(cls, value: object) -> object:
        return off_for_false(value)

    @field_validator("severity")
    @classmethod
    def _severities_are_of_expectations(cls, value: dict[str, Asked]) -> dict[str, Asked]:
        refuse_others(value, adjustable=ADJUSTABLE)
        return value

    @model_validator(mode="after")
    def _slopes_are_ordered(self) -> Self:
        mistakes = Mistakes()
        if self.min_zipf_slope > self.max_zipf_slope:
            words = f"must not be above max_zipf_slope, which is {self.max_zipf_slope:g}"
            mistakes.add(("min_zipf_slope",), words, value=self.min_zipf_slope)
        mistakes.tell()
        return self
