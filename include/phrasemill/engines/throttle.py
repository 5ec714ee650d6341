"""What holds requests back so that an API's limits and a budget are kept; `phrasemill.allowance` has the real one."""

from typing import Protocol


class Turn(Protocol):
    """Leave to send one request; exactly one of its methods is to be called when the request is over."""

    def answered(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        """The answer is there, and its `usage` says what it took."""

    def unanswered(self, *, billed: bool) -> None:
        """There is no answer. `billed` is false where nothing was written for sure: refused, or nobody was there."""


class Throttle(Protocol):
    """Gives leave to send requests, one at a time."""

    async def turn(self, *, prompt_bytes: int, completion_tokens: int) -> Turn:
        """Wait until a request may be sent that has so many bytes of prompts (UTF-8) and writes so many tokens at most.

        Raises:
            QuotaSpent: the budget would be passed.
        """
        ...
