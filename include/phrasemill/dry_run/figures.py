"""DryRun: the answer, in plain units. Each figure is a range where it is not known exactly."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from phrasemill.ranges import Range

Bound = Literal["requests_per_minute", "tokens_per_minute", "tokens_per_second", "concurrent"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asking(_Part):
    """How engines are asked: prompts in a list (1: one prompt a request), and whether one prompt gives n samples."""

    list_size: int = 1
    takes_n: bool = True


class Amounts(_Part):
    """What some phrases take. Times are seconds."""

    phrases: int
    requests: Range
    prompt_tokens: Range
    completion_tokens: Range
    reject_share: Range
    """Of the answers, and so about of the tokens."""
    at_limits_s: Range | None
    """At the limits' full rates; None where no rate is limited."""
    bound: Bound | None
    """The limit that is reached first."""
    at_pace_s: Range | None
    """At the rate that was measured; None before anything was."""
    money: Range | None


class Origins(_Part):
    """Where figures come from, in words."""

    rejects: str
    prompt_tokens: str
    completion_tokens: str
    pace: str | None
    stream: str | None
    """What is taken for the speed of one answer, where the number of requests at once is what bounds."""


class Budget(_Part):
    """Where the budget of the running period stands. `spent` has what running tasks have set aside."""

    budget: float
    spent: float
    left: float
    begins: AwareDatetime
    ends: AwareDatetime


class Rest(_Part):
    """All that the corpus still lacks, the shards of this dry run among it."""

    shards: int
    phrases: int
    money: Range | None
    nights_by_budget: Range | None
    nights_by_schedule: int


class DryRun(_Part):
    """A dry run of some shards."""

    corpus: str
    model: str
    shards: tuple[int, ...]
    """Those of the shards asked for that are not committed."""
    committed: int
    """How many of the shards asked for are."""
    staged: int
    """Phrases of the shards that are written already and need no asking."""
    asking: Asking
    amounts: Amounts
    origins: Origins
    currency: str | None
    budget: Budget | None
    rest: Rest
