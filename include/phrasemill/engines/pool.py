"""EnginePool: all engines of a corpus behind one door. Balances by least in flight, and waits out outages.

Engines that are given by a name come and go while the pool is open: the name is looked up again and again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from phrasemill.engines.chat_template import BARE, ChatTemplate, learn_template
from phrasemill.engines.engine import Answers, Breaker, Engine
from phrasemill.engines.finding import NONE_GIVEN, EngineFinder, LookUp, look_up
from phrasemill.engines.http import BadPrompt, EngineFault, get_text, open_session
from phrasemill.engines.sockets import allow_sockets
from phrasemill.engines.watch import EngineWatch
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.listing import list_tokens
from phrasemill.sharing import Part, all_alone
from phrasemill.spec import CorpusSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the client waits for what, in seconds."""

    list_s: float = 300
    """The deadline of one request list."""
    outage_s: float = 300
    """How long all engines may be away before the shard is given up for now."""
    silence_s: float = 60
    """How long an engine with work in flight may bring forth no token before it counts as hung."""
    watch_s: float = 5
    """Between two looks at /metrics."""
    names_s: float = 30
    """Between two look-ups of engines that are given by name; Kubernetes lets others keep an answer for 5 to 30 s."""


class EnginePool:
    """An open client for the engines of one corpus; use it as an async context manager.

    Args:
        urls: of the engines, as `phrasemill.engines.finding` reads them.
        spec: names model, sampling and window.
        api_key: sent as a bearer token.
        patience: waiting times.
        part: chooses among all engines found those that are asked, and says how many tasks share them.
        look_up: finds the addresses of names.

    Raises:
        EngineRefused: no URL is given, or something that is none.
    """

    def __init__(
        self,
        urls: Sequence[str],
        spec: CorpusSpec,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        part: Callable[[Sequence[str]], Part] = all_alone,
        look_up: LookUp = look_up,
    ) -> None:
        if not urls:
            raise EngineRefused(NONE_GIVEN)
        self.engines: list[Engine] = []
        self.patience = patience or Patience()
        self._urls = urls
        self._finder = EngineFinder(urls, look_up)
        self._part = part
        self._lost: dict[str, str] = {}
        self._spec = spec
        self._api_key = api_key
        self._template: ChatTemplate | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unusable_since: float | None = None
        self._said_so = False
        sampling = spec.sampling
        self._body: dict[str, Any] = {
            "model": spec.model.served,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            # A chat template brings its own special tokens; a base model's prompt needs the tokenizer's.
            "add_special_tokens": not spec.model.chat,
        }
        if sampling.top_p < 1:
            self._body["top_p"] = sampling.top_p

    async def __aenter__(self) -> Self:
        await self._find()
        self._session = open_session(self._api_key)
        limits, samples = self._spec.engines, self._spec.sampling.n
        self.watch = EngineWatch(self._session, self.engines, limits, hung=self._hung, samples=samples)
        self._start(self.watch.run(every_s=self.patience.watch_s, silence_s=self.patience.silence_s))
        if self._finder.has_names:
            self._start(self._find_again())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def template(self) -> ChatTemplate:
        """The chat template, learnt from the first engine that answers.

        Raises:
            EngineRefused: an engine cannot render it, or refuses key or model.
            EnginesDown: none answers within the outage budget.
        """
        if not self._spec.model.chat:
            return BARE
        while self._template is None:
            engine = await self.room(0)
            try:
                self._template = await learn_template(
                    self._session, engine.url, model=self._spec.model.name, system=self._spec.prompts.system
                )
            except EngineFault as fault:
                self._note(engine, fault)
            else:
                self._note_answer(engine)
        return self._template

    async def room(self, size: int) -> Engine:
        """Wait for an engine with room for `size` prompts, take the least loaded, and reserve the room.

        Raises:
            EnginesDown: all engines have been away for longer than the outage budget.
        """
        while True:
            free = [engine for engine in self.engines if engine.has_room(size)]
            if free:
                engine = min(free, key=lambda engine: engine.in_flight / engine.window)
                engine.reserve(size)
                return engine
            self._changed.clear()
            # Not wait_for: until Python 3.12 it swallows a cancellation that comes together with the change.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s()):
                    await self._changed.wait()

    def leave(self, engine: Engine, size: int) -> None:
        """Give back room that `room` reserved."""
        engine.in_flight -= size
        self._drop_if_gone(engine)
        self._changed.set()

    async def ask(self, engine: Engine, prompts: list[str], *, n: int = 1, entries: int = 1) -> Answers:
        """Send a list to an engine that `room` reserved for len(prompts)*n, and give back the room.

        `entries` phrases are asked for in each answer, and it may be as much longer.

        Raises:
            EngineFault: it is noted already; ask again, wherever there is room.
            BadPrompt: a prompt of the list is refused.
            EngineRefused: key, model or path is wrong.
        """
        body = self._body | {"prompt": prompts} | ({"n": n} if n > 1 else {})
        if entries > 1:
            body["max_tokens"] = list_tokens(self._spec.sampling.max_tokens, entries)
        try:
            answers = await engine.ask(self._session, body, timeout_s=self.patience.list_s)
        except EngineFault as fault:
            self._note(engine, fault)
            raise
        except BadPrompt:
            self._note_answer(engine)
            raise
        else:
            self._note_answer(engine)
            return answers
        finally:
            self.leave(engine, len(prompts) * n)

    async def _find_again(self) -> None:
        while True:
            await asyncio.sleep(self.patience.names_s)
            await self._find()

    async def _find(self) -> None:
        """Take in engines that are new, and send nothing more to those that are gone."""
        found = await self._finder.find()
        for given in found.lost.keys() - self._lost.keys():
            log.warning("%s; the engines known by it stay, and it is looked up again", found.lost[given])
        self._lost = found.lost
        part, limits = self._part(found.urls), self._spec.engines
        share = max(1, limits.in_flight // part.tasks)
        fresh = set(part.engines) - {engine.url for engine in self.engines}
        self.engines += [Engine(url, share) for url in part.engines if url in fresh]
        if fresh:
            allow_sockets(len(part.engines) * -(-limits.in_flight // limits.list_size))
            if self._finder.has_names:
                log.info("engines found: %s", ", ".join(sorted(fresh)))
        for engine in list(self.engines):
            engine.share = share
            gone = engine.url not in part.engines
            if gone and not engine.leaving:
                log.info("engine %s is no longer one of this task's, and gets no new lists", engine.url)
            engine.leaving = gone
            self._drop_if_gone(engine)
        self._changed.set()

    def _drop_if_gone(self, engine: Engine) -> None:
        if engine.leaving and not engine.in_flight and engine in self.engines:
            self.engines.remove(engine)  # in place: the watch looks at the same list

    def _hung(self, engine: Engine, why: str) -> None:
        if engine.healthy:
            engine.open(why)
            self._start(self._recover(engine))
        engine.give_up_lists()

    def _note(self, engine: Engine, fault: EngineFault) -> None:
        if engine.note_fault(fault):
            self._start(self._recover(engine))

    def _note_answer(self, engine: Engine) -> None:
        engine.note_answer()
        self._unusable_since, self._said_so = None, False

    async def _recover(self, engine: Engine) -> None:
        """Look at /health until it answers, then let one list through."""
        while engine.breaker is Breaker.OPEN and engine in self.engines:
            await asyncio.sleep(engine.next_pause_s())
            try:
                await get_text(self._session, f"{engine.url}/health")
            except EngineFault:
                continue
            except EngineRefused:
                pass  # a server without /health, but there
            engine.offer_trial()
            self._changed.set()

    def _wait_s(self) -> float:
        """Seconds to wait for a change at most.

        Raises EnginesDown once the outage budget is spent: it runs while no engine can be asked, and only an
        answer ends it, so an engine that is healthy but answers nothing does not hold a shard for ever.
        """
        engines = [engine for engine in self.engines if not engine.leaving]
        pauses = [pause for engine in engines if (pause := engine.pause_left_s)]
        if any(engine.healthy and not engine.pause_left_s for engine in engines):
            return min([*pauses, self.patience.watch_s])
        now = time.monotonic()
        if self._unusable_since is None:
            self._unusable_since = now
        if not self._said_so and not any(engine.healthy for engine in engines):
            self._said_so = True
            log.warning("no engine answers; waiting up to %.0f s for one to come back", self.patience.outage_s)
        left = self._unusable_since + self.patience.outage_s - now
        if left <= 0:
            asked = ", ".join(self._lost.get(url, url) for url in self._urls)
            raise EnginesDown(
                f"no engine has answered for {self.patience.outage_s:g} s ({asked}); start them again and retry: "
                "what is staged is kept"
            )
        return min([*pauses, left])

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("the engines are not looked after any more; this is a bug in phrasemill", exc_info=error)
