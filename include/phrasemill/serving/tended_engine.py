"""One engine kept alive: started, looked at, restarted when it dies or hangs, recycled when it has grown old."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import aiohttp

from phrasemill.engines.metrics_page import Reading
from phrasemill.serving.engine_log import EngineLog
from phrasemill.serving.engine_process import EngineProcess, rss_bytes
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import EngineFailed, VllmUnusable
from phrasemill.serving.gpu_memory import gpu_bytes
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.limits import Limits
from phrasemill.serving.readings import look_at
from phrasemill.serving.state_folder import StateFolder

log = logging.getLogger(__name__)

FIRST_TRIES = 2
"""An engine that ends so often before it was ever healthy is one that no retry mends."""
STARTING_LOOK_S = 0.5


class End(Enum):
    """How a run of an engine came to its end."""

    DIED = "died"
    LATE = "was not healthy in time"
    HUNG = "hung"
    OUTGROWN = "outgrew its limits"


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run, and why in words."""

    end: End
    why: str


class TendedEngine:
    """One engine of a supervisor.

    `turn` is awaited before every start; `may_recycle` says whether this engine may be taken out now;
    `changed` is called when the state has changed in a way that a reader would want to see at once.
    """

    def __init__(
        self,
        launch: EngineLaunch,
        limits: Limits,
        *,
        folder: StateFolder,
        api_key: str | None,
        turn: Callable[["TendedEngine"], Awaitable[None]],
        may_recycle: Callable[["TendedEngine"], bool],
        changed: Callable[[], None],
    ) -> None:
        self.launch = launch
        self.limits = limits
        self.first_healthy = asyncio.Event()
        path = folder.logs / f"{launch.name}.log"
        self.state = EngineState(name=launch.name, url=launch.url, log=str(path), gpu=launch.gpu)
        self._folder = folder
        self._log = EngineLog(
            path, max_bytes=limits.log_bytes, files=limits.log_files, secrets=(api_key,) if api_key else ()
        )
        self._turn = turn
        self._may_recycle = may_recycle
        self._changed = changed
        self._process: EngineProcess | None = None
        self._reading: Reading | None = None
        self._rss_at_first: int | None = None

    async def tend(self, session: aiohttp.ClientSession) -> None:
        """Keep the engine alive until cancelled; then `stop` it.

        Raises:
            EngineFailed: it ended twice before it was ever healthy, or is not healthy within its start limit.
            VllmUnusable: its program cannot be started.
        """
        while True:
            await self._turn(self)
            ending = await self._run(session)
            self._note(ending)
            if ending.end is not End.OUTGROWN:
                await asyncio.sleep(pause_s(self.limits, failures=self.state.failures))

    async def stop(self, *, hurry: asyncio.Event) -> None:
        """Drain the engine and end it, at once when `hurry` is set."""
        if self._process is not None:
            await self._drain(self._process, hurry=hurry)
            await self._bury(self._process)
        self._set(Phase.STOPPED)
        self._log.close()

    async def _run(self, session: aiohttp.ClientSession) -> Ending:
        """Start the engine and stay with it to its end; nothing of it is left then."""
        try:
            process = await self._start()
        except VllmUnusable as error:
            if not self.first_healthy.is_set():
                raise
            self._set(Phase.BACKING_OFF)
            return Ending(End.DIED, str(error))  # it is being installed anew, perhaps
        ending = await self._live(process, session)
        if ending.end is End.OUTGROWN:
            await self._drain(process)
        await self._bury(process)
        return ending

    async def _start(self) -> EngineProcess:
        title = f"start {self.state.restarts + 1} of {self.launch.name}, {_now():%F %T %Z}"
        with self._log.begin_run(title) as output:
            self._process = await EngineProcess.start(self.launch, state=self._folder.path, output=output)
        self._folder.note_start(self.launch.name, self._process.pid)
        self._reading = self._rss_at_first = None
        self.state.pid, self.state.started_at, self.state.healthy_at = self._process.pid, _now(), None
        self._set(Phase.STARTING)
        return self._process

    async def _live(self, process: EngineProcess, session: aiohttp.ClientSession) -> Ending:
        """Look at a run until it ends, or has to be ended."""
        died = asyncio.create_task(process.wait())
        watched = asyncio.create_task(self._watch(process, session))
        try:
            await asyncio.wait({died, watched}, return_when=asyncio.FIRST_COMPLETED)
            ending = Ending(End.DIED, f"it ended ({process.ended})") if died.done() else watched.result()
            if ending.end is not End.OUTGROWN:
                self._set(Phase.BACKING_OFF)
            return ending
        finally:
            for task in (died, watched):
                task.cancel()
            await asyncio.gather(died, watched, return_exceptions=True)

    async def _watch(self, process: EngineProcess, session: aiohttp.ClientSession) -> Ending:
        limits, missed = self.limits, 0
        while True:
            look = await look_at(session, self.launch.url, before=self._reading, answer_s=limits.answer_s)
            self._reading = look.reading
            if look.healthy:
                missed = 0
                self._note_healthy(process)
            elif self.state.healthy_at is None:
                if process.age_s > limits.start_s:
                    return Ending(End.LATE, f"it was not healthy {limits.start_s:.0f} s after its start")
            else:
                missed += 1
                self._set(Phase.SILENT)
                if missed >= limits.missed_answers:
                    return Ending(End.HUNG, f"/health has not answered {missed} times: {look.fault}")
            if look.stalled_s() > limits.hang_s:
                return Ending(End.HUNG, f"no token for {look.stalled_s():.0f} s with work running")
            self._measure(process)
            if (why := self._outgrown(process)) and self._may_recycle(self):
                self._set(Phase.DRAINING)  # before anything is awaited: the others ask for it
                return Ending(End.OUTGROWN, why)
            await asyncio.sleep(min(STARTING_LOOK_S, limits.look_s) if not self.state.healthy_at else limits.look_s)

    def _note_healthy(self, process: EngineProcess) -> None:
        if self.state.healthy_at is None:
            self.state.healthy_at = _now()
            self.first_healthy.set()
            log.info("%s is healthy at %s, %.0f s after its start", self.launch.name, self.launch.url, process.age_s)
        self._set(Phase.HEALTHY)
        healthy_s = (_now() - self.state.healthy_at).total_seconds()
        if self.state.failures and healthy_s > self.limits.settled_s:
            log.info("%s has settled after %d failures", self.launch.name, self.state.failures)
            self.state.failures = 0

    def _measure(self, process: EngineProcess) -> None:
        state, reading, members = self.state, self._reading, process.members()
        state.rss_bytes = rss_bytes(members)
        state.gpu_bytes = gpu_bytes(state.gpu, {member.pid for member in members})
        if reading is not None:
            state.running, state.waiting = int(reading.running), int(reading.waiting)
            state.tokens_per_s = round(reading.tokens_per_s, 1)

    def _outgrown(self, process: EngineProcess) -> str | None:
        """Why the engine should be recycled, if it should."""
        if self.state.phase is not Phase.HEALTHY:
            return None
        most, rss = self.limits.rss_bytes, self.state.rss_bytes
        if most and rss and self._fits(rss, most) and rss > most:
            return f"its processes hold {rss >> 20} MiB, over the limit of {most >> 20}"
        if self.limits.age_s and process.age_s > self.limits.age_s:
            return f"it is older than {self.limits.age_s:.0f} s"
        return None

    def _fits(self, rss: int, most: int) -> bool:
        """Whether it held less than the limit when it began; else it would be recycled for ever."""
        if self._rss_at_first is None:
            self._rss_at_first = rss
            if rss > most:
                log.warning(
                    "%s holds %d MiB right after its start, over the limit of %d: it is not recycled for that",
                    self.launch.name, rss >> 20, most >> 20,
                )  # fmt: skip
        return self._rss_at_first <= most

    async def _drain(self, process: EngineProcess, *, hurry: asyncio.Event | None = None) -> None:
        """SIGTERM, and wait for its end: /health says 200 while vLLM drains, so only the end counts."""
        if self.state.healthy_at is None or (hurry and hurry.is_set()):
            return  # nothing can be in flight, or nobody wants to wait
        self._set(Phase.DRAINING)
        process.terminate()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(process.wait())]
        if hurry:
            waits.append(asyncio.ensure_future(hurry.wait()))
        try:
            done, _ = await asyncio.wait(waits, timeout=self.limits.drain_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if not done:
            log.warning(
                "%s has not drained within %.0f s and is killed; clients ask again for what was in flight",
                self.launch.name, self.limits.drain_s,
            )  # fmt: skip

    async def _bury(self, process: EngineProcess) -> None:
        """Kill what is left of a run, and wait until its log is complete."""
        await process.kill()
        await asyncio.to_thread(self._log.end_run)
        self._folder.note_end(self.launch.name)
        self._process = None
        state = self.state
        state.pid = state.started_at = state.running = state.waiting = None
        state.tokens_per_s = state.rss_bytes = state.gpu_bytes = None

    def _note(self, ending: Ending) -> None:
        """Say why a run ended, once, and count it."""
        name, state = self.launch.name, self.state
        if ending.end is End.OUTGROWN:
            why = ending.why
            log.info("%s is recycled: %s", name, why)
        else:
            state.failures += 1
            if not self.first_healthy.is_set() and (ending.end is End.LATE or state.failures >= FIRST_TRIES):
                self._set(Phase.STOPPED)
                raise EngineFailed(f"{name}: {_said(ending.why, self._log.last_words())} - its log: {state.log}")
            why = _said(ending.why, self._log.last_error())
            if state.failures <= FIRST_TRIES:
                loop = " again" if state.failures == FIRST_TRIES else ""
                more = "; it is tried on and on, with longer pauses" if loop else ""
                log.warning("%s failed%s: %s%s - its log: %s", name, loop, why, more, state.log)
            else:
                log.debug("%s failed for the %d. time: %s", name, state.failures, why)
        state.restarts += 1
        state.restarted_at, state.why_restarted = _now(), why

    def _set(self, phase: Phase) -> None:
        if self.state.phase is not phase:
            self.state.phase = phase
            self._changed()


def pause_s(limits: Limits, *, failures: int) -> float:
    """Seconds before the restart after so many failures in a row: doubling up to a limit, with jitter."""
    doubled = limits.backoff_s * 2.0 ** min(failures - 1, 30)
    return min(doubled, limits.longest_backoff_s) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _said(why: str, words: str) -> str:
    return f"{why}; it said: {words}" if words else why


def _now() -> datetime:
    return datetime.now(UTC)
