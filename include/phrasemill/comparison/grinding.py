"""Grinds one side: the mill itself on the side's engines, with blocks kept in memory instead of a bucket.

The first WARM_PHRASES are not counted: an engine's first requests are slow, and how it is asked is found out with
them. They are those behind the last that counts, so that no prompt of the measurement is known to a prefix cache.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from phrasemill.blocks import StagedBlock
from phrasemill.comparison.sides import Side
from phrasemill.engines.backend import Backend
from phrasemill.engines.check import check_engines
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import PhrasemillError, ShardHopeless
from phrasemill.facts import Facts
from phrasemill.mill import Mill
from phrasemill.planning import Block, Shard
from phrasemill.progress import Progress
from phrasemill.rows import encode_rows, join_rows
from phrasemill.spec import CorpusSpec

WARM_PHRASES = 8
PATIENCE = Patience(list_s=600, outage_s=60, silence_s=120)
"""A server on two cores that takes 64 chat requests at once answers the last of them after minutes."""
LOOK_S = 1.0

Look = Callable[[Progress], None]


@dataclass(slots=True)
class Ground:
    """What came of one side. `facts` are those until it ended, whole or not; `rows` only of a whole one."""

    side: Side
    backend: Backend | None = None
    silent: dict[str, str] = field(default_factory=dict)
    """Engines that did not answer, and why."""
    facts: Facts = field(default_factory=Facts)
    rows: pa.Table | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of this process, all its threads."""
    hopeless: bool = False
    trouble: str = ""
    """Why it is not whole, in words."""


class KeptBlocks:
    """A staging area that encodes what it is given, as a real one does, and keeps the rows."""

    def __init__(self) -> None:
        self._rows: dict[int, pa.Table] = {}

    def load(self) -> Mapping[int, StagedBlock]:
        """Nothing is there."""
        return {}

    def save(self, block: Block, rows: pa.Table, facts: Facts) -> None:
        """Encode the block and keep its rows."""
        encode_rows(rows, {"facts": facts.model_dump(mode="json")})
        self._rows[block.number] = rows

    @property
    def rows(self) -> pa.Table:
        """All rows, by id."""
        return join_rows([self._rows[number] for number in sorted(self._rows)])


async def grind_side(side: Side, *, on_look: Look | None = None, patience: Patience = PATIENCE) -> Ground:
    """Grind one side. What ends it early (an engine, a key, hopeless prompts) is told in what comes back."""
    ground = Ground(side)
    try:
        api_key = side.api_key()
        found = await check_engines(side.urls, side.spec, api_key=api_key)
        ground.backend, ground.silent = found.backend, found.silent
        async with EnginePool(found.serving, side.spec, api_key=api_key, patience=patience) as pool:
            await _warm_up(side.spec, pool)
            await _grind(ground, pool, on_look)
    except ShardHopeless as error:
        ground.hopeless, ground.trouble = True, str(error)
    except PhrasemillError as error:
        ground.trouble = str(error)
    return ground


async def _warm_up(spec: CorpusSpec, pool: EnginePool) -> None:
    group = spec.sampling.group
    rows = -(-WARM_PHRASES // group) * group
    part = spec.model_copy(update={"shard_phrases": rows, "block_phrases": rows})
    with contextlib.suppress(ShardHopeless):  # the measurement will tell
        await Mill(part, Shard(1, spec.shard_phrases, rows), pool=pool, staging=KeptBlocks()).grind()


async def _grind(ground: Ground, pool: EnginePool, on_look: Look | None) -> None:
    spec, staging = ground.side.spec, KeptBlocks()

    def look(progress: Progress) -> None:
        ground.facts = _facts_so_far(progress)
        if on_look:
            on_look(progress)

    mill = Mill(
        spec, Shard(0, 0, spec.shard_phrases), pool=pool, staging=staging, on_progress=look, progress_every_s=LOOK_S
    )
    began, cpu = time.monotonic(), time.process_time()
    try:
        facts = await mill.grind()
    finally:
        ground.seconds, ground.cpu_s = time.monotonic() - began, time.process_time() - cpu
    ground.facts, ground.rows = facts, staging.rows


def _facts_so_far(progress: Progress) -> Facts:
    return Facts(
        accepted=progress.accepted,
        rejects=progress.rejects,
        prompt_tokens=progress.prompt_tokens,
        completion_tokens=progress.completion_tokens,
    )
