"""Watches the engines' own /metrics: finds hung ones, and sizes windows so that shard tasks share fairly.

Shard tasks on the same engines do not talk to each other. Each looks at how many prompts an engine holds in
all: when that is a quarter above the target every task shrinks its window by a fifth, else every task adds a list,
up to the target. Additive increase with multiplicative decrease converges to equal shares (Chiu and Jain 1989),
and a task that has an engine to itself keeps the whole window.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from phrasemill.engines.engine import Engine
from phrasemill.engines.http import EngineFault, get_text
from phrasemill.engines.metrics_page import Reading, read_page
from phrasemill.errors import EngineRefused
from phrasemill.spec import Engines

CROWDED, SHRINK = 1.25, 0.8


@dataclass(slots=True)
class EngineWatch:
    """Polls every engine; calls `hung` with an engine that has stopped bringing forth tokens, and why."""

    session: aiohttp.ClientSession
    engines: list[Engine]
    limits: Engines
    hung: Callable[[Engine, str], None]
    readings: dict[str, Reading] = field(default_factory=dict)

    async def run(self, *, every_s: float, silence_s: float) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.gather(*(self._look(engine, every_s, silence_s) for engine in self.engines))
            await asyncio.sleep(every_s)

    async def _look(self, engine: Engine, every_s: float, silence_s: float) -> None:
        if not engine.healthy:
            self.readings.pop(engine.url, None)  # when it is back, its silence begins anew
            return
        before = self.readings.get(engine.url)
        try:
            reading = read_page(await get_text(self.session, f"{engine.url}/metrics", timeout_s=every_s), before)
        except (EngineRefused, ValueError):
            return  # an engine without vLLM's metrics: the deadline of each list still holds
        except EngineFault:
            if before is None:
                return
            reading = before  # a hung engine may not answer here either
        else:
            self.readings[engine.url] = reading
            self._resize(engine, reading)
        if not engine.in_flight:
            reading.moved_at = time.monotonic()
        silent_s = time.monotonic() - reading.moved_at
        if silent_s > silence_s:
            reading.moved_at = time.monotonic()
            self.hung(engine, f"{engine.in_flight} prompts in flight and no token for {silent_s:.0f} s")

    def _resize(self, engine: Engine, reading: Reading) -> None:
        target, held = self.limits.in_flight, reading.running + reading.waiting
        if held > CROWDED * target:
            engine.window = max(min(self.limits.list_size, target), int(engine.window * SHRINK))
        else:
            engine.window = min(target, engine.window + self.limits.list_size)
