"""Minutes in seconds, with real servers: event loops whose time runs HURRY times as fast as the world's."""

import asyncio
import contextlib
import datetime as dt
import selectors
import time
from collections.abc import Iterator
from typing import Any

HURRY = 10
EPOCH = dt.datetime(2026, 11, 23, 20, 0, tzinfo=dt.UTC)


class _HurriedSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[Any]:
        found: list[Any] = super().select(timeout / HURRY if timeout else timeout)
        return found


class HurriedLoop(asyncio.SelectorEventLoop):
    """What sleeps a minute here sleeps six seconds."""

    def __init__(self) -> None:
        super().__init__(_HurriedSelector())

    def time(self) -> float:
        return super().time() * HURRY


class _HurriedLoops(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return HurriedLoop()


def hurried_now() -> dt.datetime:
    """The one clock of all hurried loops."""
    return EPOCH + dt.timedelta(seconds=time.monotonic() * HURRY)


@contextlib.contextmanager
def hurried_loops() -> Iterator[None]:
    """`asyncio.run` makes hurried loops meanwhile, in every thread."""
    asyncio.set_event_loop_policy(_HurriedLoops())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(None)
