"""PhraseRules: what a corpus asks of every phrase, as its file says it."""

from typing import Self

from pydantic import Field, model_validator

from phrasemill.fields import Share, StrictModel
from phrasemill.mistakes import Mistakes


class PhraseRules(StrictModel):
    """What every phrase must be. Lengths count Unicode characters and space-separated words."""

    min_chars: int = Field(default=40, ge=1, le=10_000)
    max_chars: int = Field(default=160, ge=1, le=10_000)
    min_words: int = Field(default=5, ge=1)
    max_words: int = Field(default=40, ge=1)
    min_script_share: Share = 0.9
    max_attempts: int = Field(default=64, ge=1, le=1000)

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        mistakes = Mistakes()
        for what in ("chars", "words"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if low > high:
                mistakes.add((f"min_{what}",), f"must not be above max_{what}, which is {high}", value=low)
        mistakes.tell()
        return self
