"""The /fake routes, with which tests and benchmarks set faults and read what the engine has seen."""

import os
import resource
import sys
import time
from dataclasses import asdict

import orjson
from aiohttp import web

from phrasemill.engines.fake import asks, metrics
from phrasemill.engines.fake.asks import RequestRefused
from phrasemill.engines.fake.engine import KEPT_REQUESTS, FakeEngine
from phrasemill.engines.fake.faults import BadFault, Fault
from phrasemill.engines.fake.shapes import vllm_refusal as refusal
from phrasemill.engines.fake.throttling import Throttling


class Control:
    """The /fake routes of one engine."""

    def __init__(self, engine: FakeEngine, *, seed: int) -> None:
        self._engine = engine
        self._seed = seed

    async def add_faults(self, request: web.Request) -> web.Response:
        """POST /fake/faults: one fault, or a list of faults, behind those in force."""
        try:
            given = orjson.loads(await request.read())
            faults = [Fault.from_json(one) for one in (given if isinstance(given, list) else [given])]
        except (orjson.JSONDecodeError, BadFault) as error:
            return refusal(RequestRefused(str(error)))
        self._engine.faults.add(faults)
        return await self.get_faults(request)

    async def get_faults(self, _request: web.Request) -> web.Response:
        """GET /fake/faults: the faults in force."""
        return _json({"faults": self._engine.faults.to_json()})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """DELETE /fake/faults: no more faults."""
        self._engine.faults.clear()
        return await self.get_faults(request)

    async def get_state(self, _request: web.Request) -> web.Response:
        """GET /fake/state: counters since the start or the last reset, and what the process has used."""
        engine = self._engine
        used = resource.getrusage(resource.RUSAGE_SELF)
        state = {
            **asdict(engine.counters),
            **engine.throttling.to_json(),
            "running": engine.scheduler.running,
            "waiting": engine.scheduler.waiting,
            "generation_tokens": engine.scheduler.generation_tokens,
            "faults_struck": dict(engine.faults.struck),
            "next_serial": engine.writer.serial,
            "seed": self._seed,
            "pid": os.getpid(),
            "cpu_s": time.process_time(),
            "peak_rss_mb": used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2),
        }
        return _json(state)

    async def get_requests(self, request: web.Request) -> web.Response:
        """GET /fake/requests?last=N: path and body of the latest requests for text, oldest first."""
        last = request.query.get("last", str(KEPT_REQUESTS))
        if not last.isdecimal():
            return refusal(RequestRefused(f"last is {last!r}, but must be a number", param="last"))
        newest = list(self._engine.bodies)[::-1][: int(last)]
        return _json([{"path": path, "body": _as_json(raw)} for path, raw in reversed(newest)])

    async def reset_quota(self, request: web.Request) -> web.Response:
        """POST /fake/reset-quota: a new day for --daily-tokens."""
        self._engine.throttling.reset_quota()
        return await self.get_state(request)

    async def reset(self, request: web.Request) -> web.Response:
        """POST /fake/reset: clear faults, counters, what limits count and kept requests; serials go on."""
        engine = self._engine
        engine.throttling = Throttling(engine.settings)
        engine.faults.clear()
        engine.bodies.clear()
        fresh, old = metrics.Counters(), engine.counters
        # Lists that are in flight now will still leave.
        fresh.lists_in_flight = fresh.max_lists_in_flight = old.lists_in_flight
        fresh.prompts_in_flight = fresh.max_prompts_in_flight = old.prompts_in_flight
        engine.counters = fresh
        return await self.get_state(request)


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def _as_json(raw: bytes) -> object:
    try:
        return asks.read_json(raw)
    except RequestRefused:
        return raw.decode("utf-8", "replace")
