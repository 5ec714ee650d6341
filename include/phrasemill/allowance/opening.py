"""Opening the allowance of a task, and leaving it in order."""

import asyncio
import contextlib
import datetime as dt
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from phrasemill.allowance.clock import bucket_clock
from phrasemill.allowance.lane_keeper import LaneKeeper
from phrasemill.allowance.periods import Period, period_of
from phrasemill.allowance.purse import Purse
from phrasemill.allowance.purses import Purses
from phrasemill.allowance.rate_board import SETTLE_S, RateBoard
from phrasemill.allowance.shares import rates_of, shares_of
from phrasemill.allowance.tranche_book import TrancheBook, terms_of
from phrasemill.allowance.turns import Turns
from phrasemill.engines.throttle import Throttle
from phrasemill.errors import SpecError, StoreError
from phrasemill.limit_settings import ApiLimits
from phrasemill.price_settings import Price
from phrasemill.store.bucket import Bucket

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_allowance(
    bucket: Bucket,
    *,
    root: str,
    limits: ApiLimits,
    price: Price | None,
    zone: ZoneInfo,
    now: Callable[[], dt.datetime] | None = None,
) -> AsyncIterator[Throttle]:
    """Give a task its part of an account's limits; all tasks with the same bucket and root keep within them together.

    Leaving it in order gives back what is not spent. A task that is killed loses its shares for a minute, and up to a
    two-hundredth of the budget.

    Args:
        bucket: the only thing that the tasks have in common.
        root: prefix of the account's keys, such as `corpora/_limits/openai`.
        limits: the account's.
        price: by the token; needed for a budget.
        zone: of `budget_begins`.
        now: the time; the bucket's own clock if not given.

    Raises:
        SpecError: there is a budget, and no price of a token.
        StoreUnavailable: the bucket does not answer.
        StoreError: somebody must mend something first.
    """
    root = root.rstrip("/")
    tell = await asyncio.to_thread(bucket_clock, bucket) if now is None else now
    conditional = await asyncio.to_thread(_honours_conditions, bucket, f"{root}/probe-{secrets.token_hex(8)}")
    task = f"{tell().astimezone(dt.UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"

    def clock() -> float:
        return tell().timestamp()

    keeper = None
    if shares := shares_of(limits):
        board = RateBoard(bucket, root=root, task=task, rates=rates_of(limits))
        keeper = LaneKeeper(board, shares, clock=clock, conditional=conditional)
    purses = _purses(bucket, root, limits=limits, price=price, zone=zone, tell=tell, task=task, conditional=conditional)
    turns = Turns(keeper=keeper, purses=purses, clock=clock)
    kept = asyncio.create_task(keeper.run()) if keeper else None
    if kept:
        turns.watch(kept)
    try:
        yield turns
    finally:
        if keeper and kept:
            await _leave(keeper, kept)
        if purses:
            await purses.give_back()


def _purses(
    bucket: Bucket,
    root: str,
    *,
    limits: ApiLimits,
    price: Price | None,
    zone: ZoneInfo,
    tell: Callable[[], dt.datetime],
    task: str,
    conditional: bool,
) -> Purses | None:
    budget = limits.budget_per_night
    if budget is None:
        return None
    if price is None or price.per_gpu_hour is not None:
        raise SpecError(
            "limits.budget_per_night: nobody knows what a token costs; give price.per_million_prompt_tokens and "
            "price.per_million_completion_tokens, or take the budget out"
        )
    terms = terms_of(limits, currency=price.currency, zone=zone)

    async def open_purse(period: Period) -> Purse:
        book = TrancheBook(bucket, root=root, period=period, terms=terms)
        await asyncio.to_thread(book.agree)
        return Purse(
            book,
            period,
            budget=budget,
            currency=price.currency,
            task=task,
            clock=lambda: tell().timestamp(),
            conditional=conditional,
        )

    return Purses(price, period=lambda: period_of(limits, zone=zone, now=tell()), open_purse=open_purse)


async def _leave(keeper: LaneKeeper, kept: "asyncio.Task[None]") -> None:
    kept.cancel()
    await asyncio.wait({kept})
    if not kept.cancelled() and (error := kept.exception()):
        log.debug("the allowance ended before its task: %s", error)  # whoever asked for a turn was told
    try:
        await keeper.leave()
    except StoreError as refusal:
        log.warning("others wait up to two minutes for this task's part of the limits: %s", refusal)


def _honours_conditions(bucket: Bucket, key: str) -> bool:
    bucket.put(key, b"probe")
    try:
        honoured = not bucket.ignores_condition(key)
    finally:
        with contextlib.suppress(StoreError):
            bucket.delete([key])
    if not honoured:
        log.warning(
            "bucket %s ignores conditional puts: what is claimed of limits is read back %g s later, and a put that "
            "hangs longer than that can break a limit (docs/guarantees.md)",
            bucket.name,
            SETTLE_S,
        )
    return honoured
