"""Spending: how much of a period's budget is gone, for dry runs and reports."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from phrasemill.allowance.clock import utc_now
from phrasemill.allowance.periods import Period, period_of
from phrasemill.allowance.tranche_book import NANOS, TrancheBook, tranche_nanos
from phrasemill.limit_settings import ApiLimits
from phrasemill.store.bucket import Bucket


@dataclass(frozen=True, slots=True)
class Spending:
    """Where a budget stands; money in the currency of the price."""

    amount: float
    """Spent, or set aside by tasks that run: each has up to a two-hundredth of the budget in hand, or one request."""
    budget: float
    period: Period

    @property
    def left(self) -> float:
        """What can still be taken."""
        return max(0.0, self.budget - self.amount)


def spent(
    bucket: Bucket,
    *,
    root: str,
    limits: ApiLimits,
    zone: ZoneInfo,
    now: Callable[[], dt.datetime] = utc_now,
) -> Spending:
    """How much of the running period's budget is gone; asks the bucket twice and writes nothing.

    Raises:
        StoreError: as the bucket does.
        ValueError: `limits` have no budget.
    """
    if limits.budget_per_night is None:
        raise ValueError("limits have no budget_per_night")
    period = period_of(limits, zone=zone, now=now())
    book = TrancheBook(bucket, root=root, period=period, terms={})
    terms = book.standing_terms()
    if terms is None:
        return Spending(0.0, limits.budget_per_night, period)
    budget = float(str(terms["budget_per_night"]))
    taken = book.look()
    return Spending((taken.next * tranche_nanos(budget) - taken.back) / NANOS, budget, period)
