"""EnginePool: all engines of a corpus behind one door. Balances by least in flight, and waits out outages.

Engines that are given by a name come and go while the pool is open: the name is looked up again and again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self

from phrasemill.engines.backend import CHAT_IN_FLIGHT, Backend, Request
from phrasemill.engines.engine import Answers, Breaker, Engine
from phrasemill.engines.finding import NONE_GIVEN, EngineFinder, LookUp, look_up
from phrasemill.engines.http import BadPrompt, EngineFault, Filtered, get_text, open_session
from phrasemill.engines.outage import Outage, Patience
from phrasemill.engines.probing import find_backend
from phrasemill.engines.sockets import allow_sockets
from phrasemill.engines.throttle import Throttle, Turn
from phrasemill.engines.watch import EngineWatch
from phrasemill.errors import EngineRefused, PhrasemillError
from phrasemill.sharing import Part, all_alone
from phrasemill.spec import CorpusSpec

log = logging.getLogger(__name__)


class EnginePool:
    """An open client for the engines of one corpus; use it as an async context manager.

    Args:
        urls: of the engines, as `phrasemill.engines.finding` reads them.
        spec: names model, sampling and window.
        api_key: sent as a bearer token.
        patience: waiting times.
        part: chooses among all engines found those that are asked, and says how many tasks share them.
        look_up: finds the addresses of names.
        throttle: gives leave for every request; None lets all go at once.

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
        throttle: Throttle | None = None,
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
        self._throttle = throttle
        self._backend: Backend | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outage = Outage(self.patience)

    async def __aenter__(self) -> Self:
        await self._find()
        self._session = open_session(self._api_key)
        limits, samples = self._spec.engines, self._spec.sampling.n
        self.watch = EngineWatch(self._session, self.engines, limits, hung=self._hung, samples=samples)
        self._watching = self._start(self.watch.run(every_s=self.patience.watch_s, silence_s=self.patience.silence_s))
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

    async def backend(self) -> Backend:
        """How the engines are asked, found out from the first that answers.

        Raises:
            EngineRefused: it has no way to be asked, or refuses key or model.
            EnginesDown: none answers within the outage budget.
            QuotaSpent: see `ask`.
        """
        while self._backend is None:
            engine = await self.room(0)
            try:
                found = await find_backend(self._session, engine.url, self._spec, throttle=self._throttle, names=False)
            except EngineFault as fault:
                self._note(engine, fault)
            else:
                self._note_answer(engine)
                self._backend = found
                self._ask_as(found)
        return self._backend

    def _ask_as(self, backend: Backend) -> None:
        """Without metrics to look at, windows are a fixed number of requests, and 429 makes them smaller."""
        log.info("%s", backend.line())
        if backend.kind == "vllm":
            return
        self._watching.cancel()
        for engine in self.engines:
            self._bound(engine, backend)

    def _bound(self, engine: Engine, backend: Backend) -> None:
        limits, most = self._spec.engines.limits, CHAT_IN_FLIGHT
        if limits and limits.concurrent:  # requests, and a window counts answers
            most = limits.concurrent * (self._spec.sampling.n if backend.takes_n else 1)
        engine.ceiling = engine.window = max(1, min(engine.share, most))

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
                async with asyncio.timeout(self._outage.wait_s(self.engines, self._asked_for())):
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
            QuotaSpent: the budget would be passed, or the API says that its quota is used up.
        """
        backend = await self.backend()
        try:
            requests = backend.requests(prompts, n=n, entries=entries)
            if len(requests) == 1:
                return await self._send(engine, requests[0])
            replies = await asyncio.gather(
                *(self._send(engine, request) for request in requests), return_exceptions=True
            )
            return _joined(requests, replies)
        finally:
            self.leave(engine, len(prompts) * n)

    async def _turn(self, engine: Engine, request: Request) -> Turn | None:
        """Wait for leave to send a request."""
        if self._throttle is None:
            return None
        engine.waiting += request.answers
        try:
            return await self._throttle.turn(
                prompt_bytes=request.prompt_bytes, completion_tokens=request.completion_tokens
            )
        finally:
            engine.waiting -= request.answers

    async def _send(self, engine: Engine, request: Request) -> Answers:
        """Send one request when its turn has come, and note what becomes of it."""
        turn = await self._turn(engine, request)
        if turn and engine.left_alone:  # its turn may have come minutes after its room
            turn.unanswered(billed=False)
            raise EngineFault(f"{engine.url}: is left alone for now", reached=False)
        answers, billed = None, True
        try:
            answers = await engine.ask(self._session, request, timeout_s=self.patience.list_s)
        except EngineFault as fault:
            billed = fault.reached and not fault.says_wait
            self._note(engine, fault)
            raise
        except BadPrompt as refusal:
            billed = isinstance(refusal, Filtered)
            self._note_answer(engine)
            raise
        except PhrasemillError:
            billed = False
            raise
        else:
            self._note_answer(engine, request.answers)
            return answers
        finally:
            if turn and answers and answers.completion_tokens:
                turn.answered(prompt_tokens=answers.prompt_tokens, completion_tokens=answers.completion_tokens)
            elif turn:
                turn.unanswered(billed=billed)

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
            if engine.url in fresh and self._backend and self._backend.kind == "chat":
                self._bound(engine, self._backend)
            gone = engine.url not in part.engines
            if gone and not engine.leaving:
                log.info("engine %s is no longer one of this task's, and gets no new lists", engine.url)
            engine.leaving = gone
            self._drop_if_gone(engine)
        self._changed.set()

    def _asked_for(self) -> str:
        return ", ".join(self._lost.get(url, url) for url in self._urls)

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

    def _note_answer(self, engine: Engine, answers: int = 1) -> None:
        engine.note_answer(answers)
        self._outage.over()

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

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("the engines are not looked after any more; this is a bug in phrasemill", exc_info=error)


def _joined(requests: Sequence[Request], replies: Sequence[Answers | BaseException]) -> Answers:
    """Several replies as one; None where there is none, unless there is none at all. Raises what no retry mends."""
    faults = [reply for reply in replies if isinstance(reply, BaseException)]
    for fault in faults:
        if len(faults) == len(replies) or not isinstance(fault, EngineFault | BadPrompt):
            raise fault
    texts: list[str | None] = []
    prompt_tokens = completion_tokens = 0
    seconds = 0.0
    put_off: set[int] = set()
    for request, reply in zip(requests, replies, strict=True):
        if isinstance(reply, BaseException):
            if isinstance(reply, EngineFault) and (reply.says_wait or not reply.reached):
                put_off.update(range(len(texts), len(texts) + request.answers))
            texts += [None] * request.answers
            continue
        texts += reply.texts
        prompt_tokens += reply.prompt_tokens
        completion_tokens += reply.completion_tokens
        seconds = max(seconds, reply.seconds)
    return Answers(texts, prompt_tokens, completion_tokens, seconds, frozenset(put_off))
