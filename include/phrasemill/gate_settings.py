"""GateThresholds: what a corpus asks of a whole shard, as its file says it."""

from typing import Self

from pydantic import Field, model_validator

from phrasemill.fields import Share, StrictModel
from phrasemill.mistakes import Mistakes


class GateThresholds(StrictModel):
    """What a whole shard must be. Shares are of 1; lengths are mean characters a phrase."""

    min_mean_chars: float = Field(default=60, ge=0)
    max_mean_chars: float = Field(default=140, ge=0)
    max_reject_share: Share = 0.7
    max_mean_attempt: float = Field(default=3.0, ge=0)
    min_distinct_2: Share = 0.4
    max_top_opening_share: Share = 0.3
    min_template_coverage: Share = 1.0

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        mistakes = Mistakes()
        low, high = self.min_mean_chars, self.max_mean_chars
        if low > high:
            mistakes.add(("min_mean_chars",), f"must not be above max_mean_chars, which is {high:g}", value=low)
        mistakes.tell()
        return self
