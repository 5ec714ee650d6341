"""Watches the engines' own /metrics: finds hung ones, and sizes windows so that shard tasks share fairly.

Shard tasks on the same engines do not talk to each other. Each looks at how many prompts an engine holds in all, and
takes its window times target / held, and an eighth of its share more. So an engine is brought to its target within a
look or two, however many tasks come and go; of two tasks' difference a ninth goes at each look, since both add the same
and give the same part away (additive increase, multiplicative decrease: Chiu and Jain 1989), until all have what the
target gives each and that eighth; and a task that is alone has the whole window soon.

Measured with four tasks on four fake engines, time scaled by ten: engines held 1.0 to 1.2 times their target, 1.7 at
most, at the rate they have when each task begins with the whole window, and then they held 1.6 times, 4 at most.
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

STEP = 1 / 8  # of a share, a look: with all tasks there an engine holds an eighth more than its target


@dataclass(slots=True)
class EngineWatch:
    """Polls every engine; calls `hung` with an engine that has stopped bringing forth tokens, and why.

    `samples` are asked of one prompt (`sampling.n`), so a list has no fewer answers.
    """

    session: aiohttp.ClientSession
    engines: list[Engine]
    limits: Engines
    hung: Callable[[Engine, str], None]
    samples: int = 1
    readings: dict[str, Reading] = field(default_factory=dict)

    async def run(self, *, every_s: float, silence_s: float) -> None:
        """Poll until cancelled."""
        while True:
            for url in self.readings.keys() - {engine.url for engine in self.engines}:
                del self.readings[url]  # what was seen of an engine that went says nothing when it is back
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
            # Without vLLM's metrics (a proxy may keep them) the window is the task's share, less where a 429 has halved
            # it, and the deadline of each list holds.
            engine.ceiling = engine.share
            return
        except EngineFault:
            if before is None:
                return
            reading = before  # a hung engine may not answer here either
        else:
            self.readings[engine.url] = reading
            engine.ceiling = 0
            self._resize(engine, reading)
        if engine.in_flight <= engine.waiting:
            reading.moved_at = time.monotonic()
        silent_s = time.monotonic() - reading.moved_at
        if silent_s > silence_s:
            reading.moved_at = time.monotonic()
            self.hung(engine, f"{engine.in_flight} prompts in flight and no token for {silent_s:.0f} s")

    def _resize(self, engine: Engine, reading: Reading) -> None:
        target, a_list, window = self.limits.in_flight, max(self.limits.list_size, self.samples), engine.window
        held = max(reading.running + reading.waiting, engine.in_flight, 1)
        wanted = int(window * target / held + max(1, engine.share * STEP))
        if wanted < window < engine.in_flight:
            return  # it holds what was sent before the window shrank: shrinking it for that again would be too much
        if wanted > window >= engine.in_flight + a_list:
            return  # a window that is not full says nothing of what it could be
        engine.window = min(max(wanted, a_list), window + max(engine.share, a_list), target)
