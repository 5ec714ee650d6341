"""Turns: the Throttle that the engine pool asks. One request after the other, in the order they were asked for."""

import asyncio
import contextlib
from collections.abc import Callable

from phrasemill.allowance.lane import Charge, Lane
from phrasemill.allowance.lane_keeper import LaneKeeper
from phrasemill.allowance.purses import Purses, Reserved
from phrasemill.allowance.token_bound import TokenBound
from phrasemill.engines.throttle import Turn
from phrasemill.errors import SpecError


class Turns:
    """A Throttle over lanes and a purse, either of which may be missing.

    Args:
        keeper: rates, if any are limited.
        purses: money, if a budget is.
        clock: epoch seconds.
    """

    def __init__(self, *, keeper: LaneKeeper | None, purses: Purses | None, clock: Callable[[], float]) -> None:
        self._keeper = keeper
        self._purses = purses
        self._clock = clock
        self._line = asyncio.Lock()
        self._bound = TokenBound()
        self._kept: asyncio.Task[None] | None = None

    def watch(self, kept: "asyncio.Task[None]") -> None:
        """Let turns end as the keeper ends: without it nobody has leave."""
        self._kept = kept
        if self._keeper:
            changed = self._keeper.changed
            kept.add_done_callback(lambda _: changed.set())

    async def turn(self, *, prompt_bytes: int, completion_tokens: int) -> Turn:
        """Wait for leave to send one request; see `phrasemill.engines.throttle`.

        Raises:
            QuotaSpent: the budget could be passed.
            SpecError: the request is larger than tokens_per_minute ever lets through.
            StoreUnavailable: the bucket does not answer, so nobody knows what is left.
            StoreError, LimitsDiffer: somebody must mend something first.
        """
        sure = self._bound.sure(prompt_bytes)
        async with self._line:
            reserved = await self._purses.reserve(sure, completion_tokens) if self._purses else None
            passed: tuple[Lane, Charge] | None = None
            try:
                if self._keeper:
                    passed = await self._pass(self._keeper, prompt_bytes, completion_tokens)
            except BaseException:
                if reserved:
                    reserved.settle((0, 0))
                raise
        return _Leave(self, prompt_bytes, passed=passed, reserved=reserved)

    async def _pass(self, keeper: LaneKeeper, prompt_bytes: int, completion: int) -> tuple[Lane, Charge]:
        while True:
            if self._kept and self._kept.done():
                self._kept.result()  # raises what ended it
            tokens = self._bound.prompt(prompt_bytes) + completion
            self._refuse_too_large(keeper, tokens)
            now = self._clock()
            ready = [(time, lane) for lane in keeper.lanes if (time := lane.ready_at(tokens, now=now)) is not None]
            time, lane = min(ready, key=lambda pair: (pair[0], pair[1].number), default=(None, None))
            if lane is not None and time is not None and time <= now:
                expected = self._bound.expected(tokens)
                return lane, lane.send(tokens, completion=completion, expected=expected, now=now)
            keeper.changed.clear()
            # Not wait_for: until Python 3.12 it swallows a cancellation that comes together with the change.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if time is None else max(time - now, 0.001)):
                    await keeper.changed.wait()

    @staticmethod
    def _refuse_too_large(keeper: LaneKeeper, tokens: int) -> None:
        most = min(lane.share.tokens or tokens for lane in keeper.lanes)
        if tokens > most:
            raise SpecError(
                f"limits: one request may take {tokens:,} tokens, but a share of tokens_per_minute is {most:,} (one of "
                f"{len(keeper.lanes)}); lower sampling.max_tokens, sampling.n or the phrases asked for in one answer"
            )

    def over(self, leave: "_Leave", used: tuple[int, int] | None, *, learn: bool = False) -> None:
        """A request has used so many prompt and completion tokens; None is all that was reserved."""
        if leave.passed and self._keeper:
            lane, charge = leave.passed
            tokens, completion = (charge.tokens, charge.completion) if used is None else (sum(used), used[1])
            if learn and used:
                self._bound.learn(
                    prompt_bytes=leave.prompt_bytes, prompt_tokens=used[0], reserved=charge.tokens, taken=tokens
                )
            lane.settle(charge, tokens=tokens, completion=completion)
            self._keeper.changed.set()
        if leave.reserved:
            leave.reserved.settle(used)


class _Leave:
    """One request's leave; what it reserved is settled once."""

    def __init__(
        self, turns: Turns, prompt_bytes: int, *, passed: tuple[Lane, Charge] | None, reserved: Reserved | None
    ) -> None:
        self.prompt_bytes = prompt_bytes
        self.passed = passed
        self.reserved = reserved
        self._turns: Turns | None = turns

    def answered(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        """Count what `usage` says; a server that says nothing is taken to have used all that was reserved."""
        used = (prompt_tokens, completion_tokens)
        self._over(used if sum(used) else None, learn=True)

    def unanswered(self, *, billed: bool) -> None:
        """Count the whole reservation, or nothing."""
        self._over(None if billed else (0, 0))

    def _over(self, used: tuple[int, int] | None, *, learn: bool = False) -> None:
        turns, self._turns = self._turns, None
        if turns:
            turns.over(self, used, learn=learn)
