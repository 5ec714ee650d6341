"""Processes found again. A pid alone is soon another program's, so its create time is kept beside it."""

import contextlib

import psutil

TICK_S = 0.02
"""Create times are kept in clock ticks of 10 ms; a pid cannot come round again within two of them."""


def find_process(pid: int, *, created: float) -> psutil.Process | None:
    """The process of this pid, if it is the one that was created then (seconds since 1970)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if abs(process.create_time() - created) < TICK_S:
            return process
    return None
