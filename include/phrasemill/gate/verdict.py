"""Verdict: what the gate says of a shard. It is kept as JSON in the shard's manifest, or in quarantine."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

EXAMPLES_SHOWN = 5
REASONS_NAMED = 3

Severity = Literal["critical", "warning"]


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
    examples: tuple[int, ...] = Field(default=(), max_length=EXAMPLES_SHOWN)
    """Phrase ids of some rows that break the expectation."""

    def __str__(self) -> str:
        ids = f"; phrase ids {', '.join(map(str, self.examples))}" if self.examples and not self.passed else ""
        return f"{self.name}: {self.observed} (limit: {self.limit_in_full}{ids})"

    @property
    def limit_in_full(self) -> str:
        """The limit, and what is allowed for chance."""
        return f"{self.limit}, {self.chance} for chance" if self.chance else self.limit


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
