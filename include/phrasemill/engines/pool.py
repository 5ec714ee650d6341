"""EnginePool: all engines of a corpus behind one door. Balances by least in flight, and waits out outages."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from phrasemill.engines.chat_template import BARE, ChatTemplate, learn_template
from phrasemill.engines.engine import Answers, Breaker, Engine
from phrasemill.engines.http import BadPrompt, EngineFault, get_text
from phrasemill.engines.watch import EngineWatch
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.listing import list_tokens
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


class EnginePool:
    """An open client for the engines of one corpus; use it as an async context manager.

    Args:
        urls: base URLs of the engines, with or without /v1.
        spec: names model, sampling and window.
        api_key: sent as a bearer token.
        patience: waiting times.

    Raises:
        EngineRefused: no URL is given.
    """

    def __init__(
        self,
        urls: Sequence[str],
        spec: CorpusSpec,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        if not urls:
            raise EngineRefused("no engine URL is given; name one in the engines' connection or with --engines")
        self.engines = [Engine(url.rstrip("/").removesuffix("/v1"), spec.engines.in_flight) for url in urls]
        self.patience = patience or Patience()
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
        headers = {"Content-Type": "application/json"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        # limit=0: the windows hold requests back, not a hidden limit of 100 connections.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers)
        self.watch = EngineWatch(self._session, self.engines, self._spec.engines, hung=self._hung)
        self._start(self.watch.run(every_s=self.patience.watch_s, silence_s=self.patience.silence_s))
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
        while engine.breaker is Breaker.OPEN:
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
        pauses = [pause for engine in self.engines if (pause := engine.pause_left_s)]
        if any(engine.healthy and not engine.pause_left_s for engine in self.engines):
            return min([*pauses, self.patience.watch_s])
        now = time.monotonic()
        if self._unusable_since is None:
            self._unusable_since = now
        if not self._said_so and not any(engine.healthy for engine in self.engines):
            self._said_so = True
            log.warning("no engine answers; waiting up to %.0f s for one to come back", self.patience.outage_s)
        left = self._unusable_since + self.patience.outage_s - now
        if left <= 0:
            urls = ", ".join(engine.url for engine in self.engines)
            raise EnginesDown(
                f"no engine has answered for {self.patience.outage_s:g} s ({urls}); start them again and retry: "
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
