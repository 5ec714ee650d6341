"""ApiLimits: what a hosted API allows and what may be spent on it, as a corpus file or a connection says it.

They decide when something is asked, never what: no fingerprint has them.
"""

import datetime as dt
from typing import Self

from pydantic import Field, field_validator, model_validator

from phrasemill.fields import StrictModel
from phrasemill.mistakes import Mistakes


class ApiLimits(StrictModel):
    """Limits of one account, obeyed by all tasks that use its connection together."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Prompt and completion tokens together, as hosted APIs count them."""
    tokens_per_second: float | None = Field(default=None, gt=0)
    """Completion tokens: for servers that write slowly, and whose waiting requests would time out."""
    concurrent: int | None = Field(default=None, ge=1)
    """Requests under way at once."""
    budget_per_night: float | None = Field(default=None, gt=0)
    """Money, in the currency of `price`, which must say what a million tokens cost."""
    budget_begins: str = "12:00"
    """When a night's budget begins, HH:MM in the schedule's time zone: an hour at which no night is being written."""

    @field_validator("budget_begins")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        try:
            return dt.time.fromisoformat(value).strftime("%H:%M")
        except ValueError as error:
            raise ValueError('must be a time of day such as "12:00"') from error

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        mistakes = Mistakes()
        if not self.model_dump(exclude_none=True, exclude={"budget_begins"}):
            told = "limit nothing; give one of requests_per_minute, tokens_per_minute, tokens_per_second, concurrent, "
            mistakes.add((), told + "budget_per_night, or leave them out")
        mistakes.tell()
        return self
