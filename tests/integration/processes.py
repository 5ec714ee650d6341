"""Tasks as processes that can be killed, paused and waited for."""

import json
import multiprocessing as mp
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.integration.work import DONE, RED, RETRY, Task, perform

GIVEN_UP_AFTER_S = 90.0

_context = mp.get_context("forkserver")
# pytest too: every child imports the main module of its parent, and that is pytest's.
_context.set_forkserver_preload(["tests.integration.work", "pytest"])
_reaping = threading.Lock()
"""Whoever starts a process also reads the exit codes of all that have ended: of two that read one, one finds 255."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    code: int
    """Its exit code; minus the signal's number if one ended it."""
    said: str
    seconds: float

    @property
    def done(self) -> bool:
        return self.code == DONE

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def red(self) -> bool:
        return self.code == RED

    @property
    def again(self) -> bool:
        """Whether Airflow would try the same task once more."""
        return self.killed or self.code == RETRY


class TaskProcess:
    """A task at work. Raises nothing of the task's own: see its Outcome."""

    def __init__(self, step: str, shard: int, **fields: Any) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="phrasemill-task-"))
        self.task = Task(step=step, shard=shard, folder=self._folder, **fields)
        self._process: BaseProcess = _context.Process(target=perform, args=(self.task,), daemon=True)
        self._started = time.monotonic()
        with _reaping:
            self._process.start()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone: nothing that it did comes after this."""
        if self.join(0):
            return
        os.kill(self._pid, signal.SIGKILL)
        if not self.join(60):
            raise TimeoutError(f"process {self._pid} outlives its SIGKILL")

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and knows of nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def join(self, timeout_s: float) -> bool:
        """Wait; whether it has ended. Any thread may ask: its exit code is left to be read by `end`."""
        return bool(wait_for([self._process.sentinel], timeout_s))

    def end(self) -> Outcome:
        """Wait for its end.

        Raises:
            TimeoutError: it hangs; it is killed then, and the error has its log.
        """
        hangs = not self.join(GIVEN_UP_AFTER_S)
        seconds = time.monotonic() - self._started
        if hangs:
            self.kill()
        with _reaping:
            self._process.join()
        log, said = self._folder / "log", self._folder / "said.json"
        try:
            if hangs:
                tail = log.read_text()[-4000:] if log.exists() else "nothing"
                raise TimeoutError(f"{self.task.step} of shard {self.task.shard} hangs; its log: {tail}")
            words = json.loads(said.read_text())["said"] if said.exists() and said.stat().st_size else ""
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return Outcome(int(self._process.exitcode or 0), words, seconds)

    @property
    def _pid(self) -> int:
        if self._process.pid is None:
            raise RuntimeError("the process has not started")
        return self._process.pid


def wait_until(condition: Callable[[], object], *, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for has not happened")
        time.sleep(0.01)
