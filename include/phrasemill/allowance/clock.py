"""The bucket's clock: all tasks of a night read the same one, whatever their machines' clocks say."""

import datetime as dt
import time
from collections.abc import Callable

from phrasemill.store.bucket import Bucket

READINGS = 3
QUICK_S = 0.5


def utc_now() -> dt.datetime:
    """The time of this machine."""
    return dt.datetime.now(dt.UTC)


def bucket_clock(bucket: Bucket) -> Callable[[], dt.datetime]:
    """A clock set once by the server's Date, to about a second, that runs on without leaps from then on.

    Where the server tells no time it is this machine's clock.

    Raises:
        StoreError: as the bucket does.
    """
    told, read, quickest = utc_now(), time.monotonic(), float("inf")
    for _ in range(READINGS):
        asked = time.monotonic()
        date = bucket.server_time()
        took = time.monotonic() - asked
        if date is None:
            break
        if took < quickest:
            # The Date is cut to a second: half of one more is right on average.
            told, read, quickest = date + dt.timedelta(seconds=0.5), asked + took / 2, took
        if quickest < QUICK_S:
            break
    return lambda: told + dt.timedelta(seconds=time.monotonic() - read)
