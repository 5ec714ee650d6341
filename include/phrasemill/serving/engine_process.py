"""One engine's processes: started in a session of their own, measured, ended together.

The process that is started (the leader) gives its pid to the session and the group, so whatever it starts in
turn, such as vLLM's EngineCore, is found by the group's id, also when the leader is dead.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import psutil

from phrasemill.serving.errors import VllmUnusable
from phrasemill.serving.launch import EngineLaunch

MARK = "PHRASEMILL_ENGINE_OF"
"""The environment variable that names the state folder of an engine's supervisor."""
GONE_WITHIN_S = 15.0
"""After SIGKILL; a process that waits for a GPU's driver may take seconds."""


class EngineProcess:
    """One run of an engine. Make it by `start`."""

    def __init__(self, launch: EngineLaunch, process: asyncio.subprocess.Process, *, mark: str) -> None:
        self.launch = launch
        self.pid = process.pid
        self.started = time.monotonic()
        self._process = process
        self._mark = mark

    @classmethod
    async def start(cls, launch: EngineLaunch, *, state: Path, output: int) -> Self:
        """Start the engine of this launch; it prints to the file descriptor `output`.

        Raises:
            VllmUnusable: its program cannot be started.
        """
        mark = mark_of(state)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(launch.variables, mark),
                start_new_session=True,
            )
        except OSError as error:
            raise VllmUnusable(
                f"{launch.name} cannot be started: {launch.argv[0]}: {error.strerror}; is vLLM installed there?"
            ) from error
        return cls(launch, process, mark=mark)

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    @property
    def ended(self) -> str | None:
        """How the leader ended, such as `exit code 1` or `SIGKILL`; None while it lives."""
        code = self._process.returncode
        if code is None:
            return None
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    async def wait(self) -> None:
        """Return when the leader has ended."""
        await self._process.wait()

    def terminate(self) -> None:
        """SIGTERM to the leader alone: it drains, and ends its children itself."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
            # A stopped process would hear it only when it goes on.
            self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL to all of its processes, and wait until they are gone: only then is the GPU's memory free."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GONE_WITHIN_S):
                while members := self.members():
                    for member in members:
                        with contextlib.suppress(psutil.Error):
                            member.kill()
                    await asyncio.sleep(0.02)
                await self._process.wait()

    def members(self) -> list[psutil.Process]:
        """Its live processes: those of its group. With the leader dead, a group of that id that bears our mark."""
        members = group(self.pid)
        if self.ended and not any(bears(member, self._mark) for member in members):
            return []
        return members


def mark_of(state: Path) -> str:
    """The mark of a state folder's engines."""
    return str(state.resolve())


def bears(process: psutil.Process, mark: str) -> bool:
    """Whether a process was started, at whatever remove, by a supervisor with this mark."""
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def group(pgid: int) -> list[psutil.Process]:
    """The live processes of a process group."""
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(pid) == pgid and is_alive(process := psutil.Process(pid)):
                members.append(process)
    return members


def rss_bytes(processes: Iterable[psutil.Process]) -> int:
    """Resident memory of these processes, pages they share counted for each."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def is_alive(process: psutil.Process) -> bool:
    """Whether anything of it still runs.

    A zombie only waits for its parent to ask how it ended, but while it has other threads they hold its memory
    and ports: seconds, for a vLLM server that was killed on a busy machine.
    """
    try:
        if not process.is_running():
            return False
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def _environment(variables: Mapping[str, str], mark: str) -> dict[str, str]:
    # vLLM names its processes by setproctitle, which writes over the environment that other processes see, and
    # our mark with it; SPT_NOENV holds it to the space of the arguments (setproctitle's README; tried with 1.3.8).
    ours = {MARK: mark, "SPT_NOENV": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **variables, **ours}
