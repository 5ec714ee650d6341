"""Verdict: what the gate says of a shard. It is kept as JSON beside the shard's manifest, or in quarantine."""

from pydantic import BaseModel, ConfigDict, Field

from phrasemill.gate_settings import Severity

EXAMPLES_SHOWN = 5
REASONS_NAMED = 3

__all__ = ["EXAMPLES_SHOWN", "Expectation", "FailingRow", "NearDuplicate", "Severity", "Verdict"]


class Expectation(BaseModel):
    """One expectation of a shard and what came of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """In plain words, such as 'mean characters a phrase'; the same for every shard."""
    kind: str
    """The Great Expectations type, or 'pyarrow_schema'."""
    column: str | None = None
    observed: str
    """What was found, in words."""
    value: float | None = None
    """What was found, as a number: a figure of the shard, or how many rows break the expectation."""
    limit: str
    """What is allowed, in words."""
    chance: str = ""
    """What is allowed on top of the limit because a shard this small strays by chance, such as '±5.8'."""
    severity: Severity
    passed: bool
    identity: bool = False
    """It tells whether the rows are those that the shard must have: where it fails, nobody can accept the shard."""
    examples: tuple[int, ...] = Field(default=(), max_length=EXAMPLES_SHOWN)
    """Phrase ids of some rows that break the expectation."""

    def __str__(self) -> str:
        ids = f"; phrase ids {', '.join(map(str, self.examples))}" if self.examples and not self.passed else ""
        return f"{self.name}: {self.observed} (limit: {self.limit_in_full}{ids})"

    @property
    def limit_in_full(self) -> str:
        """The limit, and what is allowed for chance."""
        return f"{self.limit}, {self.chance} for chance" if self.chance else self.limit


class FailingRow(BaseModel):
    """A row, or a rejected output, that a failed expectation stumbled over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expectation: str
    why: str
    """Of this row, such as 'reads as de'."""
    phrase_id: int | None = None
    """None for an output that was rejected."""
    text: str
    """As the engine wrote it, cut at 500 characters: hostile until it is escaped."""


class NearDuplicate(BaseModel):
    """A phrase that has most of its words in common with an earlier one of its shard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrase_id: int
    text: str
    earlier_id: int
    earlier_text: str
    similarity: float
    """Words in both, of words in either."""


class Verdict(BaseModel):
    """Whether a shard passes, expectation by expectation, with the figures it was judged by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: bool
    """No critical expectation failed."""
    expectations: tuple[Expectation, ...]
    """The gravest first: a row count says more than a mean."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Figures of the shard; `phrasemill.gate.metrics` says how each is computed."""
    lengths: dict[int, int] = Field(default_factory=dict)
    """Phrases by their number of characters."""
    openings: dict[str, int] = Field(default_factory=dict)
    """Phrases by their first three words, the most common ones first."""
    languages: dict[str, int] = Field(default_factory=dict)
    """Phrases by the language they read as, of those sampled for it."""
    templates: dict[str, int] = Field(default_factory=dict)
    """Phrases by template."""
    slots: dict[str, float] = Field(default_factory=dict)
    """By lexicon: lexemes with a phrase, of those that the plan gives the shard."""
    near_duplicates: tuple[NearDuplicate, ...] = ()
    """Some, whether or not there are too many."""
    samples: tuple[FailingRow, ...] = ()
    """Some rows that break each failed expectation; in the verdict's own file only."""
    gx_version: str
    seconds: float
    """Time the whole check took."""

    @property
    def failures(self) -> tuple[Expectation, ...]:
        """Failed critical expectations."""
        return tuple(e for e in self.expectations if not e.passed and e.severity == "critical")

    @property
    def warnings(self) -> tuple[Expectation, ...]:
        """Failed expectations that do not fail the shard."""
        return tuple(e for e in self.expectations if not e.passed and e.severity == "warning")

    @property
    def worst_first(self) -> tuple[Expectation, ...]:
        """Failures, then warnings, then what holds; each in the gate's own order."""
        return (*self.failures, *self.warnings, *(e for e in self.expectations if e.passed))

    def reason(self) -> str:
        """One line: the gravest failed expectations with what was observed and what is allowed."""
        if self.failures:
            return _in_words(self.failures)
        passed = f"all {len(self.expectations) - len(self.warnings)} expectations hold"
        return f"{passed}, with a warning: {_in_words(self.warnings)}" if self.warnings else passed


def _in_words(failed: tuple[Expectation, ...]) -> str:
    words = "; ".join(map(str, failed[:REASONS_NAMED]))
    more = len(failed) - REASONS_NAMED
    return f"{words}; and {more} more" if more > 0 else words
