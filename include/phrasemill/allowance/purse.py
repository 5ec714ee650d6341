"""Purse: the tranches that one task holds of one period's budget."""

import asyncio
from collections.abc import Callable

from phrasemill.allowance.periods import Period
from phrasemill.allowance.rate_board import SETTLE_S
from phrasemill.allowance.tranche_book import NANOS, Taken, TrancheBook, budget_nanos, tranche_nanos
from phrasemill.errors import QuotaSpent

LOOK_AGAIN_S = 30.0
"""After the budget was found spent; what others give back is seen that much later."""


class Purse:
    """Money in nanos: held, of that spent, of the rest reserved for requests under way.

    Args:
        book: the period's tranches.
        period: the period.
        budget: its money, in `currency`.
        currency: for messages.
        task: this task's name.
        clock: epoch seconds.
        conditional: whether the bucket honours conditional puts.
    """

    def __init__(
        self,
        book: TrancheBook,
        period: Period,
        *,
        budget: float,
        currency: str,
        task: str,
        clock: Callable[[], float],
        conditional: bool,
    ) -> None:
        self.held = 0
        self.spent = 0
        self.reserved = 0
        self._book, self._period, self._task = book, period, task
        self._budget, self._currency = budget, currency
        self._clock, self._conditional = clock, conditional
        self._settled = asyncio.Event()
        self._claiming: asyncio.Future[bool] | None = None
        self._looked = float("-inf")
        self._taken = Taken(0, 0)

    async def reserve(self, nanos: int) -> None:
        """Set money aside for a request, of what is held or of a new tranche.

        While requests of this task are under way, it waits for what they leave over.

        Raises:
            QuotaSpent: the budget could be passed.
            StoreError: as the bucket does.
        """
        while (lacking := nanos - (self.held - self.spent - self.reserved)) > 0:
            self._settled.clear()
            if not await self._claim(lacking):
                if not self.reserved:
                    raise self._quota_spent(nanos)
                await self._settled.wait()
        self.reserved += nanos

    def settle(self, reserved: int, spent: int) -> None:
        """A request is over: of what it had set aside it has spent so much."""
        self.reserved -= reserved
        self.spent += spent
        self._settled.set()

    async def give_back(self) -> None:
        """Give back what is not spent; what is under way counts as spent. Reserve nothing after it.

        Raises:
            StoreError: as the bucket does; the money counts as spent then.
        """
        if self._claiming:
            await asyncio.gather(self._claiming, return_exceptions=True)
        left = self.held - self.spent - self.reserved
        self.held -= max(0, left)
        if left > 0:
            await asyncio.to_thread(self._book.give_back, left, task=self._task)

    async def _claim(self, lacking: int) -> bool:
        """Take one tranche if as many as are lacking fit into the budget."""
        if self._clock() < self._looked + LOOK_AGAIN_S:
            return False
        size = tranche_nanos(self._budget)
        needed = -(-lacking // size)
        taken = await asyncio.to_thread(self._book.look)
        number = taken.next
        while (number + needed) * size - taken.back <= budget_nanos(self._budget):
            # Who is cancelled here may have the tranche all the same, and is to give it back.
            self._claiming = asyncio.ensure_future(self._hold(number))
            if await asyncio.shield(self._claiming):
                return True
            number += 1
        self._looked, self._taken = self._clock(), Taken(number, taken.back)
        return False

    async def _hold(self, number: int) -> bool:
        """Claim one tranche; whether it is held now."""
        won = await asyncio.to_thread(self._book.claim, number, task=self._task)
        if won and not self._conditional:
            await asyncio.sleep(SETTLE_S)
            won = await asyncio.to_thread(self._book.stands, number, task=self._task)
        self.held += won * tranche_nanos(self._budget)
        return won

    def _quota_spent(self, nanos: int) -> QuotaSpent:
        gone = self._taken.next * tranche_nanos(self._budget) - self._taken.back
        begins, ends = self._period.begins, self._period.ends
        return QuotaSpent(
            f"budget_per_night: {gone / NANOS:.4f} of {self._budget:.4f} {self._currency} are spent or set aside since "
            f"{begins:%Y-%m-%d %H:%M}, and the next request may cost {nanos / NANOS:.6f}; the budget begins anew on "
            f"{ends:%Y-%m-%d %H:%M} ({ends.tzname()}): clear the failed tasks after that, or let a later night go on; "
            "what is staged is kept"
        )
