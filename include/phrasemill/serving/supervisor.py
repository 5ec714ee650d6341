"""The supervisor: N engines started, watched, restarted and ended by one process.

    async with Supervisor(launches, state=folder, limits=Limits(), api_key=None) as supervisor:
        stop = supervisor.stop_on_signals()
        if await supervisor.all_healthy(stop):
            await supervisor.run_until(stop)

Leaving the context drains and ends all engines. If the supervisor itself is killed its engines go on; the next one
on the same state folder ends them before it starts its own.
"""

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from phrasemill.ports import holder_of, is_free
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import ServingError, ServingPortTaken
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.limits import Limits
from phrasemill.serving.state_folder import StateFolder
from phrasemill.serving.status import ServingStatus, status_json
from phrasemill.serving.tended_engine import TendedEngine
from phrasemill.whole_file import write_whole

log = logging.getLogger(__name__)

STATUS_EVERY_S = 2.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """Serves these launches from one state folder; an async context manager.

    Args:
        launches: the engines to be, with names and ports of their own.
        state: the folder for lock, logs, status.json and urls.txt.
        limits: times and memory.
        api_key: sent to the engines, and kept out of their logs.
        on_change: called with all states whenever a phase has changed; it must not block.

    Raises:
        StateFolderTaken: another supervisor works on the folder.
        ServingPortTaken: a port is held by another program, or named twice.
    """

    def __init__(
        self,
        launches: Sequence[EngineLaunch],
        *,
        state: Path,
        limits: Limits,
        api_key: str | None,
        on_change: Callable[[list[EngineState]], None] | None = None,
    ) -> None:
        if not launches:
            raise ServingError("no engine is to be served; ask for one at least with --engines")
        self.launches = tuple(launches)
        self.limits = limits
        self.folder = StateFolder(state)
        self._api_key = api_key
        self._on_change = on_change
        self._engines: list[TendedEngine] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._starts = asyncio.Lock()
        self._next_start = 0.0
        self._hurry = asyncio.Event()
        self._stop = asyncio.Event()
        self._handled: list[signal.Signals] = []
        self._unwritable = False
        self._started_at = datetime.now(UTC)

    async def __aenter__(self) -> Self:
        self.folder.lock()
        try:
            await asyncio.to_thread(self.folder.end_leftovers)
            self._check_ports()
        except BaseException:
            self.folder.unlock()
            raise
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        # A connection a look: a kept one may be closed by the engine in the moment it is used again.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), headers=headers)
        self._engines = [
            TendedEngine(
                launch, self.limits, folder=self.folder, api_key=self._api_key,
                turn=self._turn, may_recycle=self._may_recycle, changed=self._changed,
            )
            for launch in self.launches
        ]  # fmt: skip
        self._tasks = [
            asyncio.create_task(engine.tend(self._session), name=engine.launch.name) for engine in self._engines
        ]
        self._tasks.append(asyncio.create_task(self._report(), name="status"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = asyncio.ensure_future(self._end())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            self.hurry()
            await ending
            raise

    def states(self) -> list[EngineState]:
        """All engines as they are now, in the order of the launches."""
        return [replace(engine.state) for engine in self._engines]

    async def all_healthy(self, stop: asyncio.Event | None = None) -> bool:
        """Wait until every engine has been healthy; false if `stop` was set first.

        Raises:
            EngineFailed: one ended twice before it was ever healthy, or was not healthy within its start limit.
            VllmUnusable: an engine's program cannot be started.
        """

        async def each() -> None:
            for engine in self._engines:
                await engine.first_healthy.wait()

        return await self._until(asyncio.ensure_future(each()), stop)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Supervise until `stop` is set.

        Raises:
            EngineFailed, VllmUnusable: as `all_healthy` does.
        """
        await self._until(asyncio.ensure_future(stop.wait()), None)

    def stop_on_signals(self) -> asyncio.Event:
        """An event that the first SIGTERM, SIGINT or SIGHUP sets; the second one hurries."""
        # nohup, and a shell's & in a script, have some of them ignored: that holds.
        self._handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in self._handled:
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        return self._stop

    def hurry(self) -> None:
        """Wait for no work in flight any more: what still runs when the context is left is killed."""
        self._hurry.set()

    async def _until(self, event: asyncio.Future[Any], stop: asyncio.Event | None) -> bool:
        """Wait for an event; false if `stop` came first. Raises what ended an engine's task."""
        stopped = asyncio.ensure_future(stop.wait()) if stop else None
        waits = {event, *self._tasks, *([stopped] if stopped else [])}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
            return event.done()
        finally:
            for wait in (event, stopped):
                if wait is not None and not wait.done():
                    wait.cancel()

    def _signalled(self) -> None:
        if self._stop.is_set():
            log.warning("asked again to stop: engines are killed, clients ask again for what was in flight")
            self.hurry()
        else:
            log.info("stopping: engines finish what is in flight, at most %.0f s", self.limits.drain_s)
            self._stop.set()

    def _check_ports(self) -> None:
        counts = Counter((launch.host, launch.port) for launch in self.launches)
        for launch in self.launches:
            if counts[launch.host, launch.port] > 1:
                raise ServingPortTaken(f"port {launch.port} is given to two engines; every engine needs its own")
            if not is_free(launch.host, launch.port):
                raise ServingPortTaken(
                    f"port {launch.port} is held by {holder_of(launch.port)} and {launch.name} needs it; end that "
                    "program, or choose other ports with --port"
                )

    async def _turn(self, engine: TendedEngine) -> None:
        """Wait until this engine may be started: not with others, and after the first if that warms caches."""
        first = self._engines[0]
        if self.limits.warm_first and engine is not first:
            await first.first_healthy.wait()
        clock = asyncio.get_running_loop().time
        async with self._starts:
            await asyncio.sleep(max(0.0, self._next_start - clock()))
            self._next_start = clock() + self.limits.stagger_s

    def _may_recycle(self, engine: TendedEngine) -> bool:
        """Whether all others are healthy, so that one engine at most is away on purpose."""
        return all(other.state.phase is Phase.HEALTHY for other in self._engines if other is not engine)

    def _changed(self) -> None:
        if self._on_change is not None:
            try:
                self._on_change(self.states())
            except OSError as error:
                log.info("the display is gone (%s); the engines go on", error)
                self._on_change = None
        self._write()

    async def _report(self) -> None:
        while True:
            self._write()
            await asyncio.sleep(STATUS_EVERY_S)

    def _write(self) -> None:
        status = ServingStatus(
            pid=os.getpid(), started_at=self._started_at, written_at=datetime.now(UTC), engines=self.states()
        )
        try:
            write_whole(self.folder.status_file, status_json(status))
            if all(engine.first_healthy.is_set() for engine in self._engines) and not self._stop.is_set():
                urls = "".join(f"{launch.url}\n" for launch in self.launches)
                write_whole(self.folder.urls_file, urls)
        except OSError as error:
            if not self._unwritable:
                log.warning("%s cannot be written (%s); the engines go on", self.folder.path, error)
            self._unwritable = True
        else:
            self._unwritable = False

    async def _end(self) -> None:
        """Drain and end all engines, and leave nothing behind but logs and the last status."""
        try:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._stop.set()
            self.folder.urls_file.unlink(missing_ok=True)
            stops = (engine.stop(hurry=self._hurry) for engine in self._engines)
            outcomes = await asyncio.gather(*stops, return_exceptions=True)
            await asyncio.to_thread(self.folder.end_leftovers)
            self._write()
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        finally:
            await self._session.close()
            self.folder.unlock()
            for number in self._handled:
                asyncio.get_running_loop().remove_signal_handler(number)
