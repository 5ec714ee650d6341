"""The state folder of a supervisor: its lock, its engines' footprints, its status and its URL list.

    supervisor.lock    held (flock) while a supervisor runs; has its pid
    run/<engine>.json  a footprint: pid and create time of an engine's leader
    status.json        what `phrasemill engines` shows
    urls.txt           one URL a line, once all engines are healthy
    logs/<engine>.log

A supervisor that was killed leaves its engines running. The next one on the same folder ends them: processes that bear
the folder's mark in their environment, which also finds children of a dead leader and an engine whose
footprint was not written yet, and the groups of leaders that a footprint names. A pid alone proves nothing.
"""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from phrasemill.processes import find_process
from phrasemill.serving.engine_process import bears, group, is_alive, mark_of
from phrasemill.serving.errors import ServingError, StateFolderTaken
from phrasemill.whole_file import write_whole

log = logging.getLogger(__name__)

GRACE_S = 3.0
"""Between asking leftovers to end and killing them."""
KILLS = 5


class StateFolder:
    """One state folder; `lock` it before anything is written."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.status_file = self.path / "status.json"
        self.urls_file = self.path / "urls.txt"
        self._footprints = self.path / "run"
        self._lock_file = self.path / "supervisor.lock"
        self._lock: int | None = None

    def lock(self) -> None:
        """Take the folder for this process.

        Raises:
            StateFolderTaken: another supervisor has it.
            ServingError: it cannot be written.
        """
        try:
            self._footprints.mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ServingError(
                f"{self.path} cannot be the state folder ({error.strerror}: {error.filename}); give another one "
                "with --state"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            holder = self._lock_file.read_text(encoding="utf-8").strip() or "unknown"
            raise StateFolderTaken(
                f"{self.path} is the state folder of a supervisor that runs (pid {holder}); end that one, or give "
                "this one another folder with --state"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def unlock(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def holder(self) -> int | None:
        """The pid of the supervisor that has the folder now, None if none has."""
        try:
            lock = os.open(self._lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = os.pread(lock, 32, 0).strip()
            return int(said) if said.isdigit() else None
        else:
            return None
        finally:
            os.close(lock)

    def note_start(self, name: str, pid: int) -> None:
        """Write an engine's footprint."""
        with contextlib.suppress(psutil.NoSuchProcess):  # dead already: there is nothing to find
            footprint = {"pid": pid, "create_time": psutil.Process(pid).create_time()}
            write_whole(self._footprints / f"{name}.json", json.dumps(footprint))

    def note_end(self, name: str) -> None:
        """Remove an engine's footprint."""
        (self._footprints / f"{name}.json").unlink(missing_ok=True)

    def end_leftovers(self) -> int:
        """End what an earlier supervisor of this folder left running; returns how many processes that were.

        Raises:
            ServingError: one of them cannot be killed.
        """
        left = self.leftovers()
        if left:
            log.warning("ending %d processes that an earlier supervisor of %s left", len(left), self.path)
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.terminate()
                    process.resume()  # a stopped one would not hear it
            _wait_gone(left)
            self._kill_leftovers()
        for footprint in self._footprints.glob("*.json"):
            footprint.unlink(missing_ok=True)
        self.urls_file.unlink(missing_ok=True)
        return len(left)

    def leftovers(self) -> list[psutil.Process]:
        """The live processes of engines that were started for this folder."""
        mark, own = mark_of(self.path), os.getpid()
        found = [process for process in psutil.process_iter() if bears(process, mark)]
        for leader in self._leaders():
            found += [leader, *group(leader.pid)]
        return [process for process in dict.fromkeys(found) if process.pid != own and is_alive(process)]

    def _kill_leftovers(self) -> None:
        # Looked for anew each time: a process may have started another one meanwhile.
        for _ in range(KILLS):
            if not (left := self.leftovers()):
                return
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            _wait_gone(left)
        pids = ", ".join(str(process.pid) for process in left)
        raise ServingError(f"processes {pids}, left by an earlier supervisor of {self.path}, cannot be killed")

    def _leaders(self) -> Iterable[psutil.Process]:
        for path in self._footprints.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                footprint = json.loads(path.read_text(encoding="utf-8"))
                if process := find_process(footprint["pid"], created=footprint["create_time"]):
                    yield process


def _wait_gone(processes: list[psutil.Process]) -> None:
    # Not psutil.wait_procs: to it a zombie that nobody asks for is not gone, as under a container's pid 1.
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(map(is_alive, processes)):
        time.sleep(0.02)
