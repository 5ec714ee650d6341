"""One fake engine behind its routes: what it has been asked, what it answers, which faults strike first."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from phrasemill.engines.fake import asks, metrics, tokens, wire, writer
from phrasemill.engines.fake.asks import Ask, RequestRefused
from phrasemill.engines.fake.families import families
from phrasemill.engines.fake.faults import CHOICE_MODES, Fault, FaultQueue
from phrasemill.engines.fake.scheduler import EngineDeadError, Scheduler
from phrasemill.engines.fake.settings import FakeEngineSettings
from phrasemill.engines.fake.shapes import SHAPES
from phrasemill.engines.fake.text import TextMaker
from phrasemill.engines.fake.throttling import Throttling

SERVED_VERSION = "0.32.0"
KEPT_REQUESTS = 256
EXIT_CODE = 1
DEAD_ENGINE_EXITS_AFTER_S = 0.2  # vLLM's API server ends itself shortly after its engine
ENDING = "cannot schedule new futures after shutdown"  # what vLLM answers to new requests while it drains
DRAIN_TICK_S = 0.01
DEAD_ENGINE = "EngineCore encountered an issue. See stack trace (above) for the root cause."
JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

BodyMaker = Callable[[bytes], bytes]


class FakeEngine:
    """The state of one fake engine, and how it answers."""

    def __init__(self, settings: FakeEngineSettings, *, seed: int) -> None:
        self.settings = settings
        self.counters = metrics.Counters()
        self.faults = FaultQueue(seed=seed)
        self.throttling = Throttling(settings)
        self.shape = SHAPES[settings.api]
        self.scheduler = Scheduler(max_num_seqs=settings.max_num_seqs, tokens_per_second=settings.tokens_per_second)
        maker = TextMaker(
            seed=seed,
            text=settings.text,
            bad_modes=settings.bad_modes,
            bad_share=settings.bad_share,
            family=settings.family,
            sentences=settings.read_sentences(),
        )
        self.writer = writer.Writer(maker)
        self.bodies: deque[tuple[str, bytes]] = deque(maxlen=KEPT_REQUESTS)
        self._prefixes = metrics.PrefixCache()
        self._dead = False
        self._draining = False
        self._created = int(time.time())

    @property
    def served(self) -> asks.Served:
        """The names it serves now, and its context length."""
        own = self.faults.other_model or self.settings.model
        return asks.Served(
            names=(own, *self.settings.lora),
            max_model_len=self.settings.max_model_len,
            family=families()[self.settings.family],
        )

    async def drain(self, *, within_s: float) -> None:
        """Refuse new lists, and return when those in flight are answered, or after `within_s`."""
        self._draining = True
        deadline = time.monotonic() + within_s
        while self.counters.lists_in_flight and time.monotonic() < deadline:  # noqa: ASYNC110 - lists are counted
            await asyncio.sleep(DRAIN_TICK_S)

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions: n texts for each prompt of a list."""
        return await self.generate(request, asks.read_completion, writer.completion_body)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions: n texts for one list of messages."""
        return await self.generate(request, asks.read_chat, writer.chat_body)

    async def models(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/models: the model and its adapters."""
        return await self.answer(request, lambda _: orjson.dumps(self._model_list()))

    async def tokenize(self, request: web.Request) -> web.StreamResponse:
        """POST /tokenize: token ids of a prompt, or of messages put through the chat template."""
        return await self.answer(request, self._tokenized)

    async def detokenize(self, request: web.Request) -> web.StreamResponse:
        """POST /detokenize: the text of token ids, special tokens included."""
        return await self.answer(request, self._detokenized)

    async def version(self, request: web.Request) -> web.StreamResponse:
        """GET /version."""
        return await self.answer(request, lambda _: orjson.dumps({"version": SERVED_VERSION}))

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /health: 200 or 503, no body."""
        if self._dead:
            return self._unhealthy()
        return await self.answer(request, lambda _: b"")

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """GET /metrics: Prometheus text."""
        return await self.answer(request, lambda _: self._exposition(), content_type=PROMETHEUS)

    async def generate(
        self,
        request: web.Request,
        read: Callable[[dict[str, Any], asks.Served], Ask],
        make_body: Callable[..., bytes],
    ) -> web.StreamResponse:
        """Answer a request for text, which `read` checks and `make_body` words.

        Raises RequestRefused.
        """
        raw = await request.read()
        self.bodies.append((request.path, raw))
        ask = read(asks.read_json(raw), self.served)
        if self._draining:
            raise RequestRefused(ENDING, status=500)
        throttling = self.throttling
        turn = throttling.admit(tokens=ask.most_tokens, in_flight=self.counters.lists_in_flight)
        fault = self.faults.take(request.path, ask.prompts)
        self.counters.enter(len(ask.prompts))
        try:
            if fault and (struck := await self._strike_first(request, fault)):
                throttling.settle(turn, tokens=0)
                return struck
            outputs, taken = await self._run(request.path, ask, slower_s=_slower_s(fault))
        finally:
            self.counters.leave(len(ask.prompts))
        throttling.settle(turn, tokens=taken)
        damage = fault if fault and fault.mode in CHOICE_MODES else None
        response = await self._send(request, make_body(ask, outputs, fault=damage), fault=fault)
        if told := throttling.headers():
            response.headers.update(told)
        return response

    async def _run(self, path: str, ask: Ask, *, slower_s: float) -> tuple[Sequence[writer.Output], int]:
        """Write the outputs and wait until the scheduler has them done; they, and the tokens of it all."""
        if self._dead:
            raise RequestRefused(DEAD_ENGINE, status=500)
        outputs = self.writer.write(ask, text_fault=self.faults.take_text(path, ask.prompts))
        prompt_tokens = sum(ask.prompt_tokens)
        self.counters.prompt_tokens += prompt_tokens
        self.counters.prefix_cache_hits += sum(map(self._prefixes.hits, ask.prompts, ask.prompt_tokens))
        latency_s = self.settings.latency_ms / 1000 + slower_s
        try:
            await self.scheduler.run(lengths := [output.tokens for output in outputs], latency_s=latency_s)
        except asyncio.CancelledError:
            self.counters.disconnects += 1
            self.counters.finished["abort"] += len(outputs)
            raise
        except EngineDeadError:
            raise RequestRefused(DEAD_ENGINE, status=500) from None
        self.counters.phrases += len(outputs)
        for output in outputs:
            self.counters.finished[output.finish_reason] += 1
        return outputs, prompt_tokens + sum(lengths)

    async def answer(
        self, request: web.Request, make_body: BodyMaker, *, content_type: str = JSON
    ) -> web.StreamResponse:
        """Answer a request that generates nothing; a fault strikes it only if it names the path."""
        raw = await request.read()
        fault = self.faults.take(request.path, (raw.decode("utf-8", "replace"),))
        if fault and (struck := await self._strike_first(request, fault)):
            return struck
        await asyncio.sleep(_slower_s(fault))
        return await self._send(request, make_body(raw), fault=fault, content_type=content_type)

    async def _strike_first(self, request: web.Request, fault: Fault) -> web.Response | None:
        """Act out a fault that comes before any work: the answer it gives, or None if work goes on."""
        match fault.mode:
            case "status":
                return self._status(fault)
            case "burst":
                return self.shape.of(self.throttling.begin_burst(fault.seconds))
            case "unhealthy":
                return self._unhealthy()
            case "hang":
                await wire.hang()
            case "close":
                await wire.close(request)
            case "die":
                if not fault.seconds:
                    os._exit(EXIT_CODE)
                asyncio.get_running_loop().call_later(fault.seconds, os._exit, EXIT_CODE)
            case "engine_dead":
                self._dead = True
                self.scheduler.fail_all()
                asyncio.get_running_loop().call_later(DEAD_ENGINE_EXITS_AFTER_S, os._exit, EXIT_CODE)
        return None

    async def _send(
        self, request: web.Request, body: bytes, *, fault: Fault | None, content_type: str = JSON
    ) -> web.StreamResponse:
        """Send an answer, as a fault of the connection or of the body's bytes would have it."""
        if fault is not None:
            match fault.mode:
                case "truncated":
                    await wire.truncate(request, body)
                case "close_after":
                    await wire.close_after(request, body)
                case "reset":
                    await wire.reset(request, body)
                case "wrong_json":
                    body = body[: len(body) // 2] if fault.body is None else fault.body.encode()
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _status(self, fault: Fault) -> web.Response:
        message = fault.message or f"the fake engine was told to answer {fault.status}"
        error = RequestRefused(message, status=fault.status)
        response = self.shape.unauthorized() if fault.status == 401 else self.shape.of(error)
        if fault.retry_after is not None:
            response.headers["Retry-After"] = f"{fault.retry_after:g}"
        return response

    def _unhealthy(self) -> web.Response:
        if self.settings.api == "tgi":
            return self.shape.of(RequestRefused("unhealthy", status=503))
        return web.Response(status=503)

    def _tokenized(self, raw: bytes) -> bytes:
        body = asks.read_json(raw)
        asks.check_model(body, self.served)
        ids = asks.read_tokenize(body, self.served)
        strings = [tokens.decode([token]) for token in ids] if body.get("return_token_strs") else None
        answer = {
            "count": len(ids),
            "max_model_len": self.settings.max_model_len,
            "tokens": ids,
            "token_strs": strings,
        }
        return orjson.dumps(answer)

    def _detokenized(self, raw: bytes) -> bytes:
        body = asks.read_json(raw)
        asks.check_model(body, self.served)
        return orjson.dumps({"prompt": asks.read_detokenize(body)})

    def _model_list(self) -> dict[str, Any]:
        own, *adapters = self.served.names
        card = {"object": "model", "created": self._created, "owned_by": "vllm"}
        base = {"id": own, **card, "root": own, "parent": None, "max_model_len": self.settings.max_model_len}
        more = [{"id": name, **card, "root": name, "parent": own, "max_model_len": None} for name in adapters]
        return {"object": "list", "data": [base, *more]}

    def _exposition(self) -> bytes:
        return metrics.exposition(
            self.counters,
            model=next(iter(self.served.names)),
            running=self.scheduler.running,
            waiting=self.scheduler.waiting,
            generation_tokens=self.scheduler.generation_tokens,
        ).encode()


def _slower_s(fault: Fault | None) -> float:
    return fault.seconds if fault and fault.mode == "slow" else 0.0
