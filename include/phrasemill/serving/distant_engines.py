"""A look at engines by their URLs, wherever they run and whoever supervises them."""

import asyncio
from collections.abc import Sequence

from phrasemill.engines.finding import LookUp, find_engines, look_up
from phrasemill.engines.http import open_session
from phrasemill.engines.metrics_page import Reading
from phrasemill.engines.sockets import allow_sockets
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.readings import Look, look_at

ANSWER_S = 5.0
BETWEEN_LOOKS_S = 1.0
"""A rate needs two looks; vLLM's counters move many times a second under load."""


async def look_at_all(
    urls: Sequence[str], *, api_key: str | None = None, look_up: LookUp = look_up
) -> tuple[list[EngineState], list[str]]:
    """The engines' states as far as /health and /metrics tell, and why those that are silent are.

    A name that cannot be looked up is among the reasons. Takes BETWEEN_LOOKS_S and what the answers take.

    Raises:
        EngineUrlWrong: something is no URL of an engine.
    """
    found = await find_engines(urls, look_up=look_up)
    bases = found.urls
    allow_sockets(len(bases))
    before: list[Reading | None] = [None] * len(bases)
    async with open_session(api_key) as session:
        for pause_s in (0.0, BETWEEN_LOOKS_S):
            await asyncio.sleep(pause_s)
            pairs = zip(bases, before, strict=True)
            asked = [look_at(session, base, before=old, answer_s=ANSWER_S) for base, old in pairs]
            looks = await asyncio.gather(*asked)
            before = [look.reading for look in looks]
    states = [_state(number, base, look) for number, (base, look) in enumerate(zip(bases, looks, strict=True))]
    return states, [*found.lost.values(), *(look.fault for look in looks if look.fault)]


def _state(number: int, url: str, look: Look) -> EngineState:
    state = EngineState(name=f"engine {number}", url=url, log="")
    state.phase = Phase.HEALTHY if look.healthy else Phase.SILENT
    if look.reading:
        state.running, state.waiting = int(look.reading.running), int(look.reading.waiting)
        state.tokens_per_s = round(look.reading.tokens_per_s, 1)
    return state
