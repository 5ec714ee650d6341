"""What is counted while candidates are measured: outputs, tokens, CPU seconds, and what the engines say themselves."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
import pyarrow as pa

from phrasemill.blocks import StagedBlock
from phrasemill.engines.engine import Answers, Engine
from phrasemill.engines.http import EngineFault, get_text
from phrasemill.engines.metrics_page import Reading, read_page
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import EngineRefused
from phrasemill.facts import Facts
from phrasemill.planning import Block
from phrasemill.progress import Progress
from phrasemill.rows import encode_rows


class DiscardedBlocks:
    """A staging area that encodes what it is given, as a real one does, and keeps nothing."""

    def load(self) -> Mapping[int, StagedBlock]:
        """Nothing is there."""
        return {}

    def save(self, block: Block, rows: pa.Table, facts: Facts) -> None:  # noqa: ARG002 - Staging's form
        """Encode the block."""
        encode_rows(rows, {"facts": facts.model_dump(mode="json")})


class MeteredPool(EnginePool):
    """A pool that counts the tokens of all answers, and lets `on_answers` hear their texts."""

    prompt_tokens = 0
    completion_tokens = 0
    on_answers: Callable[[Sequence[str | None]], None] | None = None

    async def ask(self, engine: Engine, prompts: list[str], *, n: int = 1, entries: int = 1) -> Answers:
        """As EnginePool's."""
        answers = await super().ask(engine, prompts, n=n, entries=entries)
        self.prompt_tokens += answers.prompt_tokens
        self.completion_tokens += answers.completion_tokens
        if self.on_answers:
            self.on_answers(answers.texts)
        return answers


@dataclass(slots=True)
class Tally:
    """What one lane has brought: finished shards, and the one in the mill."""

    accepted: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    now: Progress | None = None

    def note(self, progress: Progress) -> None:
        """The mill's latest look at itself."""
        self.now = progress

    def finish(self) -> None:
        """The shard in the mill is whole."""
        if self.now:
            self.accepted += self.now.accepted
            self.rejects.update(self.now.rejects)
            self.now = None


@dataclass(frozen=True, slots=True)
class Counts:
    """All counts at one moment; `at` is monotonic, `cpu_s` of this process."""

    at: float
    cpu_s: float
    accepted: int
    rejects: Counter[str]
    prompt_tokens: int
    completion_tokens: int
    faults: int
    engines: list[Reading] | None
    """What each engine said; None if one says nothing."""

    @property
    def judged(self) -> int:
        """Outputs judged."""
        return self.accepted + self.rejects.total()


def count(tallies: Sequence[Tally]) -> tuple[int, int, Counter[str]]:
    """Outputs judged, accepted, and rejected by reason."""
    accepted, rejects = 0, Counter[str]()
    for tally in tallies:
        accepted += tally.accepted + (tally.now.accepted if tally.now else 0)
        rejects.update(tally.rejects)
        rejects.update(tally.now.rejects if tally.now else {})
    return accepted + rejects.total(), accepted, rejects


async def take_counts(session: aiohttp.ClientSession, pool: MeteredPool, tallies: Sequence[Tally]) -> Counts:
    """All counts now."""
    found = await asyncio.gather(*(read_engine(session, engine.url) for engine in pool.engines))
    readings = [reading for reading in found if reading is not None]
    _, accepted, rejects = count(tallies)
    return Counts(
        at=time.monotonic(),
        cpu_s=time.process_time(),
        accepted=accepted,
        rejects=rejects,
        prompt_tokens=pool.prompt_tokens,
        completion_tokens=pool.completion_tokens,
        faults=sum(engine.faults for engine in pool.engines),
        engines=readings if len(readings) == len(found) else None,
    )


async def read_engine(session: aiohttp.ClientSession, url: str) -> Reading | None:
    """What an engine's /metrics says now; None without vLLM's metrics."""
    try:
        return read_page(await get_text(session, f"{url}/metrics"), None)
    except (EngineFault, EngineRefused, ValueError):
        return None
