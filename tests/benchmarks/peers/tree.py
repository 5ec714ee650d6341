"""Runs one client and measures its whole process tree: CPU, peak memory, wall time. Linux only.

A process of its own, so that every child it has is the client's: it adopts orphans of the tree (prctl's child
subreaper) and waits for all of them, which makes the kernel's sum over waited-for children the exact CPU time of the
tree, whatever the client forks, leaves behind or kills. The client runs in a session of its own and nothing of it
outlives this process.
"""

import contextlib
import ctypes
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY_S = 0.2
LOOK_CLOSELY_EVERY_S = 0.02
ENDS_WITHIN_S = 10


@dataclass(frozen=True)
class Order:
    """A command, its log, its time limit; SIGKILL for the whole tree once `engine` has answered `kill_at` phrases."""

    command: list[str]
    log: str
    limit_s: float
    engine: str
    kill_at: int | None = None


@dataclass(frozen=True)
class Measured:
    """What became of a command: outcome is done, failed, killed (as ordered) or timed out.

    `peak_rss_mb` is the largest sum seen over the tree's processes; pages they share count for each.
    """

    outcome: str
    cpu_s: float
    wall_s: float
    peak_rss_mb: float
    processes: int


def measure(order: Order) -> Measured:
    """Carry out an order in a child process of this interpreter.

    Raises:
        subprocess.SubprocessError: that process fell over or hangs; the client has ended all the same.
    """
    command = [sys.executable, "-m", __name__, json.dumps(asdict(order))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as work:
        try:
            result, _ = work.communicate(timeout=order.limit_s + 3 * ENDS_WITHIN_S)
        except BaseException:
            work.terminate()  # it ends the client first, which a SIGKILL would leave running
            raise
    if work.returncode:
        raise subprocess.CalledProcessError(work.returncode, command)
    return Measured(**json.loads(result))


def _carry_out(order: Order) -> Measured:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    peak = processes = 0
    with Path(order.log).open("ab") as log:
        client = subprocess.Popen(order.command, stdout=log, stderr=log, start_new_session=True)
    try:
        outcome = ""
        while not outcome:
            rss, count = _memory()
            peak, processes = max(peak, rss), max(processes, count)
            outcome = _wait(client, order, until=min(time.monotonic() + LOOK_EVERY_S, started + order.limit_s))
            if not outcome and time.monotonic() - started >= order.limit_s:
                outcome = "timed out"
        wall_s = time.monotonic() - started
    finally:
        _end_all()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(
        outcome=outcome,
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=wall_s,
        peak_rss_mb=peak / 1e6,
        processes=processes,
    )


def _wait(client: subprocess.Popen[bytes], order: Order, *, until: float) -> str:
    """Wait for the client's end or the moment to kill it; '' if neither came by `until`."""
    while (left := until - time.monotonic()) > 0:
        if order.kill_at is not None and _answered(order.engine) >= order.kill_at:
            return "killed"
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(left if order.kill_at is None else min(left, LOOK_CLOSELY_EVERY_S))
            return "failed" if client.returncode else "done"
    return ""


def _answered(engine: str) -> int:
    address = urlsplit(engine)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/fake/state")
        phrases: int = json.loads(connection.getresponse().read())["phrases"]
    return phrases


def _memory() -> tuple[int, int]:
    """Bytes resident in the tree, and its number of processes."""
    total = count = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
            count += 1
    return total, count


def _end_all() -> None:
    """SIGKILL everything below this process, and wait for it; what dies leaves its children to us."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < deadline:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.005)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_carry_out(Order(**json.loads(sys.argv[1]))))))
