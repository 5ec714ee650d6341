"""Starts, finds and ends the processes of parts. Only a process that this module started is ever ended.

A pid file names the process by pid and start time, since a pid alone is soon another program's. What a part starts
in turn, in sessions of its own too, inherits a mark in its environment and is ended with it.
"""

import contextlib
import fcntl
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from phrasemill.demo.errors import PartFailed, PortTaken
from phrasemill.demo.layout import HOST, Layout, port_variable
from phrasemill.demo.part import Part
from phrasemill.ports import holder_of, is_free
from phrasemill.processes import find_process
from phrasemill.whole_file import write_whole

MARK = "PHRASEMILL_PART_OF"


@dataclass(frozen=True)
class Footprint:
    """What a pid file holds."""

    pid: int
    started: float
    recipe: str


class PartProcess:
    """The process of one part under one layout."""

    def __init__(self, layout: Layout, part: Part) -> None:
        self.layout = layout
        self.part = part
        self.pid_file = layout.state / "run" / f"{part.name}.json"
        self.log = layout.logs / f"{part.name}.log"

    def find(self) -> psutil.Process | None:
        """The live process that the pid file names, or None."""
        footprint = self._footprint()
        if footprint is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            process = find_process(footprint.pid, created=footprint.started)
            if process and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def up(self) -> str:
        """Have the part running and healthy; returns `reused` or `started`.

        Raises:
            PortTaken: another program listens on its port.
            PartFailed: it ended, or was not healthy within its patience.
        """
        with self._alone():
            process = self.find()
            if process and self._is_current():
                self._wait(process)
                return "reused"
            if process or self._marked():
                self.down()
            self.check_port()
            self._wait(self._start())
            return "started"

    def check_port(self) -> None:
        """Refuse a port that a program other than this part holds.

        Raises:
            PortTaken: saying which program, and how to use another port.
        """
        if self.part.server is None or self.find() or self._marked():
            return
        port = self.layout.ports[self.part.server]
        if not is_free(HOST, port):
            raise PortTaken(
                f"port {port} is held by {holder_of(port)} and {self.part.title} needs it; end that program, or "
                f"choose another port: {port_variable(self.part.server)}={port + 1} make demo"
            )

    def down(self) -> bool:
        """End the process and all it started; False if it did not run."""
        process = self.find()
        family = process.children(recursive=True) if process else []
        if process:
            _end([process], grace_s=self.part.grace_s)
        family = [member for member in dict.fromkeys([*family, *self._marked()]) if member.is_running()]
        _end(family, grace_s=self.part.grace_s)
        self.pid_file.unlink(missing_ok=True)
        return bool(process or family)

    def _start(self) -> psutil.Process:
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # Airflow and vLLM name their processes by setproctitle, which else writes over the environment that others see.
        mark = {MARK: str(self.pid_file), "SPT_NOENV": "1"}
        with self.log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603  (our own command, no shell)
                self.part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.layout.state,
                env=self.part.full_environment() | mark,
                start_new_session=True,
            )
        process = psutil.Process(child.pid)
        footprint = Footprint(child.pid, process.create_time(), self.part.recipe())
        write_whole(self.pid_file, json.dumps(asdict(footprint)))
        return process

    def _wait(self, process: psutil.Process) -> None:
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            if self.find() != process:
                self.down()
                raise PartFailed(f"{self.part.title} ended {waited:.0f} s after its start; {self._last_words()}")
            if self.part.healthy():
                return
            if waited > self.part.patience_s:
                self.down()
                raise PartFailed(f"{self.part.title} was not ready after {waited:.0f} s; {self._last_words()}")
            time.sleep(0.25)

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:]
        said = [line.strip() for line in lines if line.strip()]
        blamed = [line for line in said if "Error" in line] or said
        quoted = f"it said: {blamed[-1][:200]} " if blamed else ""
        return f"{quoted}- its log: {self.layout.shown(self.log)}"

    def _marked(self) -> list[psutil.Process]:
        """The part's process and all that it started, also of one that was killed."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == str(self.pid_file) and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False

    def _footprint(self) -> Footprint | None:
        try:
            return Footprint(**json.loads(self.pid_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _is_current(self) -> bool:
        footprint = self._footprint()
        return footprint is not None and footprint.recipe == self.part.recipe()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` of a part at a time, so that two demos started together share one server."""
        path: Path = self.pid_file.with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _end(processes: list[psutil.Process], *, grace_s: float) -> None:
    """Ask, ask again (engines and Airflow leave at once when asked twice), then kill."""
    for sign in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sign)
        _, processes = psutil.wait_procs(processes, timeout=grace_s / 2)
        if not processes:
            return
