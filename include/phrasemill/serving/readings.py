"""One look at an engine: whether /health answers, and what /metrics says of its work."""

import time
from dataclasses import dataclass

import aiohttp

from phrasemill.engines.http import EngineFault, get_text
from phrasemill.engines.metrics_page import Reading, read_page
from phrasemill.errors import EngineRefused


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw: `fault` says why /health is no 200, `reading` is None without vLLM's metrics."""

    fault: str | None
    reading: Reading | None

    @property
    def healthy(self) -> bool:
        """Whether /health answered with 200."""
        return self.fault is None

    def stalled_s(self) -> float:
        """Seconds since a token came, with work running; 0 without work or metrics."""
        if self.reading is None or not self.reading.running + self.reading.waiting:
            return 0.0
        return time.monotonic() - self.reading.moved_at


async def look_at(session: aiohttp.ClientSession, url: str, *, before: Reading | None, answer_s: float) -> Look:
    """Ask the engine at `url`, at most 2 * `answer_s` long; `before` is the last look's reading."""
    try:
        await get_text(session, f"{url}/health", timeout_s=answer_s)
    except (EngineFault, EngineRefused) as error:
        return Look(str(error), before)
    try:
        reading = read_page(await get_text(session, f"{url}/metrics", timeout_s=answer_s), before)
    except (EngineFault, EngineRefused, ValueError):
        return Look(None, before)  # it serves; that it hangs behind /health shows in the readings that come
    if not reading.running + reading.waiting:
        reading.moved_at = reading.at  # silence begins with the work
    return Look(None, reading)
