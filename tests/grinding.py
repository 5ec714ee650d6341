"""What tests of the mill share: a staging area in memory, a corpus that grinds in a second, and what whole means."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.facts import Facts
from phrasemill.mill import Mill
from phrasemill.planning import Block, blocks_of, shard_of
from phrasemill.rows import join_rows
from phrasemill.rules import fold, text_hash
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec, merged

QUICK = Patience(list_s=60, outage_s=60, silence_s=30, watch_s=0.2)


def quick_spec(**overrides: Any) -> CorpusSpec:
    """240 phrases a shard in blocks of 40, asked for 8 at a time, 32 in flight an engine."""
    sizes = {
        "target_phrases": 480,
        "shard_phrases": 240,
        "block_phrases": 40,
        "engines": {"list_size": 8, "in_flight": 32},
    }
    return make_spec(**merged(sizes, overrides))


@dataclass(frozen=True)
class KeptBlock:
    block: Block
    rows: pa.Table
    facts: Facts

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        return self.rows.column("text_hash").to_numpy()


@dataclass
class MemoryStaging:
    """Blocks in memory. `hold` makes saves wait until it is set; `fail` makes them raise."""

    blocks: dict[int, KeptBlock] = field(default_factory=dict)
    hold: threading.Event | None = None
    fail: Exception | None = None
    saves_begun: list[int] = field(default_factory=list)

    def load(self) -> dict[int, KeptBlock]:
        return dict(self.blocks)

    def save(self, block: Block, rows: pa.Table, facts: Facts) -> None:
        self.saves_begun.append(block.number)
        if self.hold:
            self.hold.wait(30)
        if self.fail:
            raise self.fail
        assert block.number not in self.blocks, f"block {block.number} was saved twice"
        self.blocks[block.number] = KeptBlock(block, rows, facts.model_copy(deep=True))

    @property
    def rows(self) -> pa.Table:
        return join_rows([self.blocks[number].rows for number in sorted(self.blocks)])

    def without(self, *numbers: int) -> "MemoryStaging":
        return MemoryStaging({number: kept for number, kept in self.blocks.items() if number not in numbers})


@dataclass(frozen=True)
class Ground:
    """A finished shard."""

    facts: Facts
    staging: MemoryStaging
    seconds: float

    @property
    def attempts(self) -> list[int]:
        return self.staging.rows.column("attempt").to_pylist()


def grind(
    spec: CorpusSpec,
    engines: Sequence[FakeEngineProcess | str],
    *,
    shard: int = 0,
    staging: MemoryStaging | None = None,
    patience: Patience = QUICK,
    api_key: str | None = None,
    meanwhile: Callable[[], object] | None = None,
    **options: Any,
) -> Ground:
    """Grind a shard, and see that it is whole. `meanwhile` runs in a thread beside the mill, and to its end."""
    staging = staging or MemoryStaging()
    urls = [engine if isinstance(engine, str) else engine.url for engine in engines]

    async def run() -> Facts:
        async with EnginePool(urls, spec, patience=patience, api_key=api_key) as pool:
            mill = Mill(spec, shard_of(spec, shard), pool=pool, staging=staging, **options)
            beside: list[Awaitable[object]] = [asyncio.to_thread(meanwhile)] if meanwhile else []
            results = await asyncio.gather(mill.grind(), *beside, return_exceptions=True)
            if errors := [result for result in results if isinstance(result, BaseException)]:
                raise errors[0]
            assert all(engine.in_flight == 0 for engine in pool.engines)
            return results[0]  # type: ignore[return-value]

    started = time.monotonic()
    facts = asyncio.run(run())
    ground = Ground(facts, staging, time.monotonic() - started)
    assert_whole(ground, spec, shard=shard)
    return ground


def assert_whole(ground: Ground, spec: CorpusSpec, *, shard: int = 0) -> None:
    """Exactly N rows, dense ids, unique normalised texts that are in no block twice, facts that add up."""
    planned = shard_of(spec, shard)
    rows = ground.staging.rows
    assert rows.column("phrase_id").to_pylist() == list(range(planned.first_id, planned.first_id + planned.rows))
    texts = rows.column("text").to_pylist()
    assert len({fold(text) for text in texts}) == planned.rows
    assert rows.column("text_hash").to_pylist() == [text_hash(text) for text in texts]
    assert sorted(ground.staging.blocks) == [block.number for block in blocks_of(spec, planned)]
    assert ground.facts.accepted == planned.rows
    assert all(kept.facts.accepted == kept.block.rows for kept in ground.staging.blocks.values())


def wait_until(condition: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for has not happened"
        time.sleep(0.01)


def wait_until_asked(engine: FakeEngineProcess, lists: int = 1) -> None:
    """Wait until an engine has finished some lists and has others in flight."""
    wait_until(lambda: (state := engine.state())["lists"] >= lists and state["lists_in_flight"])
