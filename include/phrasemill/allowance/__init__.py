"""The allowance: an account's limits and its budget, kept by all tasks of a night with nothing but the bucket."""

from phrasemill.allowance.opening import open_allowance
from phrasemill.allowance.periods import Period, period_of
from phrasemill.allowance.spending import Spending, spent

__all__ = ["Period", "Spending", "open_allowance", "period_of", "spent"]
