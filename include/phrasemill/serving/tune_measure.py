"""One measurement: the real mill on running engines, with a candidate's settings, for a while.

Nothing of the mill is left out but the bucket: prompts, windows, rules, hashes, blocks and their Parquet are the real
ones. Shards are ground one after the other in LANES lanes that end at different times, so that the engines never
drain, whatever the corpus's own shard size. Every measurement asks for ids that none before it has asked for, or the
engines' prefix caches would know its prompts.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence

import aiohttp

from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import ShardHopeless
from phrasemill.mill import HOPELESS_SHARE, Mill
from phrasemill.planning import Shard
from phrasemill.serving.errors import ServingError
from phrasemill.serving.tune_counts import Counts, DiscardedBlocks, MeteredPool, Tally, count, read_engine, take_counts
from phrasemill.serving.tune_gpu import GpuMeter
from phrasemill.serving.tune_plan import Candidate, Race
from phrasemill.serving.tune_record import Measurement
from phrasemill.spec import CorpusSpec

LANES = 2
WINDOWS_A_SHARD = 8  # a shard's tail, when only re-asks are left, is then a small part of it
LOOK_S = 0.1
JUDGED_FOR_HOPELESS = 50  # of a model that passes three in ten, fewer than one in ten of so many is one in 3,000
IDLE_WITHIN_S = 15.0
PATIENCE = Patience(list_s=120, outage_s=60, silence_s=60, watch_s=5)


class CorpusHopeless(ServingError):
    """The model and the rules of the corpus do not fit each other; no settings of engines mend that."""


class Measurer:
    """Measures candidates one after the other, each with fresh phrase ids.

    Args:
        spec: the corpus; its shard size and attempt limit do not count here.
        race: gives the ramp.
        api_key: of the engines.
        gpus: indices of the GPUs whose utilisation is looked at.
        patience: waiting times.
        first_id: the phrase id to begin with, a multiple of the block's size as `spec_for` has it.
        on_answers: hears every list's answers, None where one is missing.
    """

    def __init__(
        self,
        spec: CorpusSpec,
        *,
        race: Race,
        api_key: str | None = None,
        gpus: Sequence[int] = (),
        patience: Patience = PATIENCE,
        first_id: int = 0,
        on_answers: Callable[[Sequence[str | None]], None] | None = None,
    ) -> None:
        self._spec = spec
        self._race = race
        self._api_key = api_key
        self._gpus = gpus
        self._patience = patience
        self._next_id = first_id
        self._on_answers = on_answers

    async def warm_up(self, candidate: Candidate, urls: Sequence[str]) -> None:
        """Let engines that have just started write for a ramp: their first requests are slow.

        Raises:
            CorpusHopeless, EnginesDown, EngineRefused: as `measure` does.
        """
        await self.measure(candidate, urls, window_s=0, resident_per_gpu=candidate.engines_per_gpu)

    async def measure(
        self, candidate: Candidate, urls: Sequence[str], *, window_s: float, resident_per_gpu: int
    ) -> Measurement:
        """Grind on these engines for a ramp and a window.

        Raises:
            CorpusHopeless: nearly all is rejected.
            EnginesDown: no engine answers.
            EngineRefused: wrong key, model or path.
        """
        meter = GpuMeter(self._gpus)
        try:
            counts = await self.counts(candidate, urls, window_s=window_s, meter=meter)
        finally:
            meter.close()
        return _measurement(
            candidate,
            counts[0],
            counts[-1],
            window_s=window_s,
            engines=len(urls),
            resident=resident_per_gpu,
            gpu=meter.mean,
        )

    async def counts(
        self,
        candidate: Candidate,
        urls: Sequence[str],
        *,
        window_s: float,
        parts: int = 1,
        meter: GpuMeter | None = None,
        on_part: Callable[[Counts], None] | None = None,
    ) -> list[Counts]:
        """Grind as `measure` does; all counts when the window begins and at the end of each of its equal parts.

        Raises:
            CorpusHopeless, EnginesDown, EngineRefused: as `measure` does.
        """
        spec = spec_for(self._spec, candidate, engines=len(urls))
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            MeteredPool(urls, spec, api_key=self._api_key, patience=self._patience) as pool,
        ):
            pool.on_answers = self._on_answers
            await _idle(session, pool)
            tallies = [Tally() for _ in range(LANES)]
            # The first shard of each lane is a part of one, so that no two end together.
            lanes = [
                asyncio.create_task(self._lane(spec, pool, tally, first_part=(lane + 1) / LANES))
                for lane, tally in enumerate(tallies)
            ]
            watching = self._watch(session, pool, tallies, meter, window_s=window_s, parts=parts, on_part=on_part)
            watch = asyncio.create_task(watching)
            try:
                await asyncio.wait([watch, *lanes], return_when=asyncio.FIRST_COMPLETED)
                # Lanes run for ever: one that is done has failed, and its error is the news.
                counts = watch.result() if watch.done() else await next(lane for lane in lanes if lane.done())
            except ShardHopeless as error:
                raise CorpusHopeless(_hopeless(spec, str(error))) from error
            finally:
                for task in (watch, *lanes):
                    task.cancel()
                await asyncio.gather(watch, *lanes, return_exceptions=True)
        end = counts[-1]
        if end.judged >= JUDGED_FOR_HOPELESS and end.accepted < (1 - HOPELESS_SHARE) * end.judged:
            rejects = ", ".join(f"{reason} {count}" for reason, count in end.rejects.most_common())
            raise CorpusHopeless(_hopeless(spec, f"of {end.judged} outputs {end.accepted} were accepted ({rejects})"))
        return counts

    async def shard_alone(self, candidate: Candidate, urls: Sequence[str], *, phrases: int) -> float:
        """Seconds that a shard takes with nothing beside it: engines that fill first, and drain while it ends.

        Args:
            candidate: as `measure` takes it.
            urls: of the engines.
            phrases: of the shard; rounded up to whole prompts.

        Raises:
            CorpusHopeless, EnginesDown, EngineRefused: as `measure` does.
        """
        whole = spec_for(self._spec, candidate, engines=len(urls))
        rows = -(-phrases // whole.sampling.group) * whole.sampling.group
        spec = whole.model_copy(update={"shard_phrases": rows, "block_phrases": rows})
        shard = Shard(self._next_id // whole.block_phrases, self._next_id, rows)
        self._next_id += -(-rows // whole.block_phrases) * whole.block_phrases
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            EnginePool(urls, spec, api_key=self._api_key, patience=self._patience) as pool,
        ):
            await _idle(session, pool)
            started = time.monotonic()
            try:
                await Mill(spec, shard, pool=pool, staging=DiscardedBlocks()).grind()
            except ShardHopeless as error:
                raise CorpusHopeless(_hopeless(spec, str(error))) from error
            return time.monotonic() - started

    async def _lane(self, spec: CorpusSpec, pool: EnginePool, tally: Tally, *, first_part: float) -> list[Counts]:
        """Grind shard after shard; never returns."""
        blocks = max(1, round(spec.blocks_per_shard * first_part))
        while True:
            rows = blocks * spec.block_phrases
            shard = Shard(self._next_id // spec.block_phrases, self._next_id, rows)
            self._next_id += rows
            part = spec.model_copy(update={"shard_phrases": rows})
            mill = Mill(
                part,
                shard,
                pool=pool,
                staging=DiscardedBlocks(),
                on_progress=tally.note,
                progress_every_s=LOOK_S,
            )
            await mill.grind()
            tally.finish()
            blocks = spec.blocks_per_shard

    async def _watch(
        self,
        session: aiohttp.ClientSession,
        pool: MeteredPool,
        tallies: Sequence[Tally],
        meter: GpuMeter | None,
        *,
        window_s: float,
        parts: int,
        on_part: Callable[[Counts], None] | None,
    ) -> list[Counts]:
        """Wait for the ramp to pass, then for the window; the counts at its beginning and after each part."""
        started = time.monotonic()
        held = sum(engine.window for engine in pool.engines) * self._spec.sampling.phrases_per_prompt
        while (passed := time.monotonic() - started) < self._race.longest_ramp_s:
            if passed >= self._race.ramp_s and count(tallies)[0] >= held:
                break
            await asyncio.sleep(LOOK_S)
        counts = [await take_counts(session, pool, tallies)]
        for part in range(1, parts + 1):
            while (left := counts[0].at + window_s * part / parts - time.monotonic()) > 0:
                if meter:
                    meter.look()
                await asyncio.sleep(min(left, 0.5))
            counts.append(await take_counts(session, pool, tallies))
            if on_part:
                on_part(counts[-1])
        return counts


def spec_for(spec: CorpusSpec, candidate: Candidate, *, engines: int) -> CorpusSpec:
    """The corpus as it is measured: a candidate's settings, shards that outlast its windows, re-asks without end.

    Blocks keep their size, made a multiple of the phrases that share a prompt. The limit of attempts is a matter of
    single shards and not of the rate.
    """
    sampling = spec.sampling.model_copy(update={"n": candidate.n})
    block = -(-spec.block_phrases // sampling.group) * sampling.group
    phrases_in_flight = candidate.in_flight * engines * sampling.phrases_per_prompt
    rows = -(-WINDOWS_A_SHARD * phrases_in_flight // block) * block
    return spec.model_copy(
        update={
            "sampling": sampling,
            "block_phrases": block,
            "shard_phrases": rows,
            "rules": spec.rules.model_copy(update={"max_attempts": 1000}),
            "engines": spec.engines.model_copy(
                update={"list_size": candidate.list_size, "in_flight": candidate.in_flight}
            ),
        }
    )


def _hopeless(spec: CorpusSpec, why: str) -> str:
    return (
        f"model {spec.model.served!r} and the rules of corpus {spec.name!r} do not fit each other, and no setting of "
        f"the engines mends that: change prompts, sampling or rules, and measure again. {why}"
    )


def _measurement(
    candidate: Candidate, begin: Counts, end: Counts, *, window_s: float, engines: int, resident: int, gpu: float | None
) -> Measurement:
    seconds = max(end.at - begin.at, 1e-6)
    tokens_per_s = None
    if begin.engines and end.engines:
        pairs = zip(begin.engines, end.engines, strict=True)
        tokens_per_s = sum((last.tokens - first.tokens) / max(last.at - first.at, 1e-6) for first, last in pairs)
    return Measurement(
        candidate=candidate,
        window_s=window_s,
        at=dt.datetime.now(dt.UTC),
        engines=engines,
        resident_per_gpu=resident,
        seconds=round(seconds, 3),
        accepted=end.accepted,
        judged=end.judged,
        completion_tokens=end.completion_tokens,
        rejects=dict(end.rejects.most_common()),
        counted_phrases_per_s=(end.accepted - begin.accepted) / seconds,
        client_tokens_per_s=(end.completion_tokens - begin.completion_tokens) / seconds,
        engine_tokens_per_s=tokens_per_s,
        client_cpu=(end.cpu_s - begin.cpu_s) / seconds,
        gpu_percent=gpu,
        faults=end.faults,
        failed="" if end.judged else "no list came back in time",
    )


async def _idle(session: aiohttp.ClientSession, pool: EnginePool) -> None:
    """Wait until the engines have dropped what the measurement before left with them, as far as they tell."""
    deadline = time.monotonic() + IDLE_WITHIN_S
    while time.monotonic() < deadline:
        readings = await asyncio.gather(*(read_engine(session, engine.url) for engine in pool.engines))
        if not any(reading.running + reading.waiting for reading in readings if reading):
            return
        await asyncio.sleep(LOOK_S)
