"""Price: what an hour of a GPU or a million tokens costs, as a corpus file says it. It decides no text."""

from typing import Self

from pydantic import Field, model_validator

from phrasemill.fields import StrictModel, Text
from phrasemill.mistakes import Mistakes


class Price(StrictModel):
    """What generating costs: by the GPU hour, or by the token as hosted APIs bill it. Reports show what came of it."""

    currency: Text = "EUR"
    per_gpu_hour: float | None = Field(default=None, ge=0)
    gpus: int = Field(default=1, ge=1)
    """GPUs that are paid for while a shard is being generated."""
    per_million_prompt_tokens: float = Field(default=0.0, ge=0)
    per_million_completion_tokens: float = Field(default=0.0, ge=0)

    @property
    def by_token(self) -> bool:
        """Whether tokens are paid for, not hours."""
        return self.per_gpu_hour is None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        mistakes = Mistakes()
        by_token = self.per_million_prompt_tokens or self.per_million_completion_tokens
        if self.per_gpu_hour is None and not by_token:
            mistakes.add(("per_gpu_hour",), "must be given, or a price per_million_completion_tokens")
        if self.per_gpu_hour is not None and by_token:
            mistakes.add(("per_gpu_hour",), "and a price of tokens are both given; keep the one that is paid")
        mistakes.tell()
        return self
