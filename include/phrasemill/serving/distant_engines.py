"""A look at engines by their URLs, wherever they run and whoever supervises them."""

import asyncio
from collections.abc import Sequence

import aiohttp

from phrasemill.engines.metrics_page import Reading
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.readings import Look, look_at

ANSWER_S = 5.0
BETWEEN_LOOKS_S = 1.0
"""A rate needs two looks; vLLM's counters move many times a second under load."""


async def look_at_all(urls: Sequence[str], *, api_key: str | None) -> tuple[list[EngineState], list[str]]:
    """The engines' states as far as /health and /metrics tell, and why those that are silent are.

    Takes BETWEEN_LOOKS_S and what the answers take.
    """
    bases = [url.rstrip("/").removesuffix("/v1") for url in urls]
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    before: list[Reading | None] = [None] * len(bases)
    async with aiohttp.ClientSession(headers=headers) as session:
        for pause_s in (0.0, BETWEEN_LOOKS_S):
            await asyncio.sleep(pause_s)
            pairs = zip(bases, before, strict=True)
            asked = [look_at(session, base, before=old, answer_s=ANSWER_S) for base, old in pairs]
            looks = await asyncio.gather(*asked)
            before = [look.reading for look in looks]
    states = [_state(number, base, look) for number, (base, look) in enumerate(zip(bases, looks, strict=True))]
    return states, [look.fault for look in looks if look.fault]


def _state(number: int, url: str, look: Look) -> EngineState:
    state = EngineState(name=f"engine {number}", url=url, log="")
    state.phase = Phase.HEALTHY if look.healthy else Phase.SILENT
    if look.reading:
        state.running, state.waiting = int(look.reading.running), int(look.reading.waiting)
        state.tokens_per_s = round(look.reading.tokens_per_s, 1)
    return state
