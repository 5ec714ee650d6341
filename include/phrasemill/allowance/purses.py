"""Purses: a task's money from one period to the next, and what a request costs of it."""

import logging
import math
from collections.abc import Awaitable, Callable

from phrasemill.allowance.periods import Period
from phrasemill.allowance.purse import Purse
from phrasemill.allowance.tranche_book import NANOS
from phrasemill.errors import StoreError
from phrasemill.price_settings import Price

log = logging.getLogger(__name__)
MILLION = 1_000_000


def cost_nanos(price: Price, *, prompt_tokens: int, completion_tokens: int) -> int:
    """What tokens cost, in nanos (1e-9 of the currency), rounded up."""
    paid = price.per_million_prompt_tokens * prompt_tokens + price.per_million_completion_tokens * completion_tokens
    return math.ceil(paid * (NANOS // MILLION))


class Reserved:
    """What one request has set aside."""

    def __init__(self, purse: Purse, nanos: int, *, price: Price) -> None:
        self._purse, self._nanos, self._price = purse, nanos, price

    def settle(self, used: tuple[int, int] | None) -> None:
        """It has used so many prompt and completion tokens; None is all that was set aside."""
        spent = self._nanos
        if used is not None:
            spent = cost_nanos(self._price, prompt_tokens=used[0], completion_tokens=used[1])
        self._purse.settle(self._nanos, spent)


class Purses:
    """One purse a period, opened when its first request is asked for.

    Args:
        price: by the token.
        period: tells the one that runs.
        open_purse: agrees with all others on a period's budget.
    """

    def __init__(
        self, price: Price, *, period: Callable[[], Period], open_purse: Callable[[Period], Awaitable[Purse]]
    ) -> None:
        self._price, self._period, self._open_purse = price, period, open_purse
        self._purses: dict[Period, Purse] = {}

    async def reserve(self, prompt_tokens: int, completion_tokens: int) -> Reserved:
        """Set aside what a request costs at most.

        Raises:
            QuotaSpent: the budget could be passed.
            LimitsDiffer: the period has begun with another budget.
            StoreError: as the bucket does.
        """
        nanos = cost_nanos(self._price, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
        period = self._period()
        if period not in self._purses:
            self._purses[period] = await self._open_purse(period)
        purse = self._purses[period]
        await purse.reserve(nanos)
        return Reserved(purse, nanos, price=self._price)

    async def give_back(self) -> None:
        """Give back what is not spent, of all periods; where the bucket does not answer it counts as spent."""
        for period, purse in self._purses.items():
            try:
                await purse.give_back()
            except StoreError as error:
                log.warning("what is left of the budget of %s counts as spent: %s", period.name, error)
