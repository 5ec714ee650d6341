"""LaneKeeper: holds a task's shares from one minute to the next, and gives back what others may have.

Before each window, in this order (seconds before it begins):

    45  say that this task wants shares of it
    30  claim what is held anyway, down to the fair part
    10  claim what nobody has claimed, up to the fair part

So holders come 20 seconds before everybody else, and a claim is in the listing of those that follow. Whoever takes
over a share pauses, see `Share.handover_s`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from phrasemill.allowance.lane import GUARD_S, Lane
from phrasemill.allowance.rate_board import SETTLE_S, RateBoard, Seen
from phrasemill.allowance.shares import WINDOW_S, Share, fair_part
from phrasemill.errors import StoreUnavailable

log = logging.getLogger(__name__)

WISH_S, RENEW_S, TAKE_S = 45, 30, 10
LAST_JOIN_S = TAKE_S + GUARD_S
"""Claims of a running window that are not there by then may be missing in a listing of those who take the next."""
RETRY_S = 5.0
MOST_COVERED = 5


class LaneKeeper:
    """One task's lanes. `changed` is set whenever another one may be ready; run `run` beside the requests.

    Args:
        board: the claims.
        shares: all of the account's.
        clock: epoch seconds.
        conditional: whether the bucket honours conditional puts.
    """

    def __init__(self, board: RateBoard, shares: list[Share], *, clock: Callable[[], float], conditional: bool) -> None:
        self.lanes = [Lane(number, share) for number, share in enumerate(shares)]
        self.changed = asyncio.Event()
        self._board = board
        self._clock = clock
        self._conditional = conditional

    async def run(self) -> None:
        """Keep the shares until cancelled.

        Raises:
            StoreUnavailable: a window begins, and the bucket has not answered.
            StoreError, LimitsDiffer: somebody must mend something first.
        """
        await self._join()
        while True:
            window = self._window() + 1
            for before, step in ((WISH_S, self._wish), (RENEW_S, self._renew), (TAKE_S, self._take_free)):
                await self._until(window * WINDOW_S - before)
                await self._insist(step, window)
            await self._until(window * WINDOW_S)
            self.changed.set()

    async def leave(self) -> None:
        """Take back the wishes; what was sent and is not written yet stays covered by claims.

        Raises:
            StoreError: as the bucket does; nothing is wrong then, others get their shares two minutes later.
        """
        await asyncio.to_thread(self._board.leave, window=self._window())
        for lane in self.lanes:
            last = max(lane.windows, default=0)
            ahead = min(int(lane.busy_until // WINDOW_S), last + MOST_COVERED) if last else 0
            for window in range(last + 1, ahead + 1):
                await asyncio.to_thread(self._board.take, window, [lane.number], count=1)

    def _window(self) -> int:
        return int(self._clock() // WINDOW_S)

    def _held(self, window: int) -> list[Lane]:
        return [lane for lane in self.lanes if window in lane.windows]

    def _part(self, seen: Seen, window: int) -> int:
        return fair_part(len(self.lanes), list(seen.tasks.get(window, {})), task=self._board.task)

    async def _join(self) -> None:
        """Take what is free in the window that runs, unless it is nearly over."""
        window = self._window()
        await self._insist(self._wish, window)
        if self._clock() < (window + 1) * WINDOW_S - LAST_JOIN_S:
            await self._insist(self._take_free, window)

    async def _wish(self, window: int) -> None:
        await asyncio.to_thread(self._board.wish, window)

    async def _renew(self, window: int) -> None:
        """Claim for a window what is held in the one before, but give back what is more than the fair part.

        A lane that still has a request in flight cannot be given back where concurrency is limited; nothing new is
        sent through it.
        """
        held = self._held(window - 1)
        if not held:
            return
        seen = await asyncio.to_thread(self._board.look)
        held.sort(key=lambda lane: (lane.closing, not lane.in_flight, lane.number))
        part = self._part(seen, window)
        for lane in held[part:]:
            lane.closing = lane.share.concurrent is not None
        kept = [lane for lane in held if lane in held[:part] or (lane.closing and lane.in_flight)]
        taken = await self._take(window, [lane.number for lane in kept], count=len(kept))
        for lane in kept:
            if lane.number in taken:
                lane.windows = {window - 1, window}
                lane.closing = lane.closing and lane in held[part:]
            else:
                lane.closing = lane.share.concurrent is not None
        self.changed.set()

    async def _take_free(self, window: int) -> None:
        """Claim shares of a window that nobody has claimed, up to the fair part."""
        seen = await asyncio.to_thread(self._board.look)
        wanted = self._part(seen, window) - sum(not lane.closing for lane in self._held(window))
        claimed, before = seen.lanes.get(window, set()), seen.lanes.get(window - 1, set())
        free = [lane for lane in self.lanes if lane.number not in claimed]
        foreign = {lane.number for lane in free if lane.number in before and window - 1 not in lane.windows}
        if wanted > 0 and free:
            # In another order for every task, so that they seldom want the same one; those without a pause first.
            order = sorted(random.sample(free, len(free)), key=lambda lane: lane.number in foreign)
            taken = await self._take(window, [lane.number for lane in order], count=wanted)
            if self._clock() < (window + 1) * WINDOW_S - LAST_JOIN_S:
                self._open([lane for lane in free if lane.number in taken], window=window, foreign=foreign)
        await asyncio.to_thread(self._board.tidy, seen, window=window)

    def _open(self, lanes: list[Lane], *, window: int, foreign: set[int]) -> None:
        """Begin to use lanes, one after the other within the space between two requests of one."""
        for place, lane in enumerate(lanes):
            begin = window * WINDOW_S + (lane.share.handover_s if lane.number in foreign else 0.0)
            begin = max(begin, self._clock()) + lane.share.spacing_s * place / len(lanes)
            lane.free_from = max(lane.free_from, begin)
            lane.windows = {window - 1, window} & (lane.windows | {window})
            lane.closing = False
        self.changed.set()

    async def _take(self, window: int, lanes: list[int], *, count: int) -> set[int]:
        taken = await asyncio.to_thread(self._board.take, window, lanes, count=count)
        if not self._conditional and taken:
            await asyncio.sleep(SETTLE_S)
            taken = await asyncio.to_thread(self._board.standing, window, taken)
        return taken

    async def _insist(self, step: Callable[[int], Awaitable[None]], window: int) -> None:
        while True:
            try:
                return await step(window)
            except StoreUnavailable as error:
                if self._clock() + RETRY_S >= window * WINDOW_S:
                    raise
                log.warning("shares of the next minute: %s; trying again in %.0f s", error, RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def _until(self, time: float) -> None:
        # A little more, so that a timer that wakes early does not see the window before.
        await asyncio.sleep(max(0.0, time - self._clock()) + 0.01)
