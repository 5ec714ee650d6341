"""The watch over /metrics: hung engines are found, windows shrink and grow so that shard tasks share an engine."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from phrasemill.engines.engine import Engine
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.engines.watch import EngineWatch, Reading
from phrasemill.mill import Mill
from phrasemill.planning import shard_of
from phrasemill.sharing import Part
from phrasemill.spec import Engines
from tests.engines.names import engines_at
from tests.engines.scripted import scripted
from tests.grinding import MemoryStaging, quick_spec

pytestmark = pytest.mark.asyncio


def page(*, tokens: float = 0, running: float = 0, waiting: float = 0) -> str:
    labels = '{engine="0",model_name="tiny"}'
    return (
        "# HELP vllm:num_requests_running Number of requests.\n"
        "# TYPE vllm:num_requests_running gauge\n"
        f"vllm:num_requests_running{labels} {running}\n"
        f"vllm:num_requests_waiting{labels} {waiting}\n"
        f"vllm:generation_tokens_total{labels} {tokens}\n"
        f"vllm:generation_tokens_created{labels} 1.7e+09\n"
    )


@dataclass
class Watched:
    """One engine whose /metrics page the test writes."""

    engine: Engine
    watch: EngineWatch
    hung: list[str]
    pages: Callable[[], str | int]
    looks: int = 0
    readings: list[float] = field(default_factory=list)

    async def answer(self, _request: web.Request) -> web.Response:
        self.looks += 1
        page = self.pages()
        return web.Response(status=page) if isinstance(page, int) else web.Response(text=page)

    async def until_looks(self, count: int) -> None:
        await self.until(lambda: self.looks >= count)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not true():  # noqa: ASYNC110 - what is waited for happens in the watch and in an HTTP handler
                await asyncio.sleep(0.005)


@asynccontextmanager
async def watched(
    pages: Callable[[], str | int],
    *,
    silence_s: float = 0.15,
    limits: Engines = Engines(list_size=8, in_flight=64),  # noqa: B008
) -> AsyncIterator[Watched]:
    seen: list[Watched] = []

    async def metrics(request: web.Request) -> web.Response:
        return await seen[0].answer(request)

    async with scripted(metrics=metrics) as url, aiohttp.ClientSession() as session:
        engine, hung = Engine(url, limits.in_flight), []
        watch = EngineWatch(session, [engine], limits, hung=lambda _engine, why: hung.append(why))
        seen.append(Watched(engine, watch, hung, pages))
        running = asyncio.create_task(watch.run(every_s=0.05, silence_s=silence_s))
        try:
            yield seen[0]
            assert not running.done(), running
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


class TestHungEngines:
    async def test_no_token_with_work_in_flight_is_a_hang(self) -> None:
        async with watched(lambda: page(tokens=7, running=8)) as one:
            one.engine.reserve(8)
            await one.until(lambda: one.hung)
            assert one.hung[0].startswith("8 prompts in flight and no token for")

    async def test_a_hang_is_told_once_a_silence(self) -> None:
        async with watched(lambda: page(tokens=7), silence_s=0.2) as one:
            begun = time.monotonic()
            one.engine.reserve(8)
            await one.until(lambda: len(one.hung) == 2)
            assert time.monotonic() - begun > 2 * 0.2

    async def test_tokens_that_come_slowly_are_no_hang(self) -> None:
        count = iter(range(10_000))
        async with watched(lambda: page(tokens=next(count) // 3, running=1), silence_s=0.8) as one:
            one.engine.reserve(8)
            await asyncio.sleep(2)
            assert one.looks > 5
            assert not one.hung

    async def test_an_idle_engine_does_not_hang(self) -> None:
        async with watched(lambda: page(tokens=7)) as one:
            await one.until_looks(8)
            assert not one.hung

    async def test_silence_begins_with_the_work(self) -> None:
        async with watched(lambda: page(tokens=7), silence_s=1) as one:
            await asyncio.sleep(1.2)
            one.engine.reserve(8)
            await asyncio.sleep(0.1)
            assert not one.hung

    async def test_an_engine_whose_metrics_stop_answering_may_hang_too(self) -> None:
        pages: Iterator[str | int] = iter([page(tokens=tokens) for tokens in range(5)])
        async with watched(lambda: next(pages, 503)) as one:
            one.engine.reserve(8)
            await one.until(lambda: one.hung)

    @pytest.mark.parametrize("what", [404, 503, "", "no metrics here", "vllm:generation_tokens_total nonsense\n"])
    async def test_without_metrics_only_deadlines_hold(self, what: str | int) -> None:
        # An empty page has no token counter to stand still for ever, and is no reason to stop looking.
        async with watched(lambda: what) as one:
            one.engine.reserve(8)
            await one.until_looks(12)
            assert not one.hung

    async def test_after_an_outage_silence_begins_anew(self) -> None:
        async with watched(lambda: page(tokens=7), silence_s=1) as one:
            one.engine.reserve(8)
            await one.until_looks(3)
            one.engine.open("gone")
            await asyncio.sleep(1.2)
            looks = one.looks
            one.engine.offer_trial()
            one.engine.note_answer()
            await one.until_looks(looks + 3)
            assert not one.hung

    async def test_a_restarted_engines_counter_that_begins_anew_is_no_hang(self) -> None:
        count = iter([500, 600, 700, *range(10_000)])
        async with watched(lambda: page(tokens=next(count)), silence_s=0.8) as one:
            one.engine.reserve(8)
            await asyncio.sleep(1.5)
            assert not one.hung
            assert one.watch.readings[one.engine.url].tokens_per_s >= 0


class TestWindows:
    async def test_a_crowded_engine_shrinks_the_window_in_proportion_down_to_one_list(self) -> None:
        windows: list[int] = []

        def crowded() -> str:
            windows.append(one.engine.window)
            return page(running=40, waiting=88)

        async with watched(crowded) as one:
            await one.until(lambda: windows[-1:] == [8])
            await one.until_looks(one.looks + 3)
        assert list(dict.fromkeys(windows)) == [64, 33, 17, 9, 8]

    async def test_a_window_that_is_not_obeyed_yet_is_not_shrunk_again(self) -> None:
        async with watched(lambda: page(running=40, waiting=88)) as one:
            one.engine.reserve(48)
            await one.until(lambda: one.engine.window < 48)
            await one.until_looks(one.looks + 5)
            assert one.engine.window == 33
            one.engine.in_flight = 32
            await one.until(lambda: one.engine.window < 33)

    async def test_an_engine_with_room_gives_a_full_window_a_share_more_at_each_look_up_to_the_limit(self) -> None:
        windows: list[int] = []

        def roomy() -> str:
            windows.append(one.engine.window)
            one.engine.in_flight = one.engine.window
            return page(running=20)

        async with watched(roomy) as one:
            one.engine.window = one.engine.share = 16
            await one.until(lambda: windows[-1:] == [64])
            await one.until_looks(one.looks + 3)
        assert list(dict.fromkeys(windows)) == [16, 32, 48, 64]

    async def test_a_window_that_is_not_full_stays(self) -> None:
        """Before its first list a task sees an empty engine, as do all others that start with it."""
        async with watched(lambda: page(running=0)) as one:
            one.engine.window = 16
            await one.until_looks(8)
            assert one.engine.window == 16

    async def test_a_window_is_full_when_a_list_of_many_samples_finds_no_room(self) -> None:
        """n=32 in lists of 8: each list is one prompt with 32 answers, and a window of 60 holds one of them."""
        limits = Engines(list_size=8, in_flight=256)
        async with aiohttp.ClientSession() as session:
            engine = Engine("http://a", 60, share=60, in_flight=32)
            watch = EngineWatch(session, [engine], limits, hung=lambda *_: None, samples=32)
            watch._resize(engine, Reading(0.0, running=32))
            assert engine.window == 120

    async def test_a_task_alone_at_its_target_keeps_its_window(self) -> None:
        async with watched(lambda: page(running=64, waiting=6)) as one:  # 6 are of a list that was given up
            one.engine.share = one.engine.in_flight = 64
            await one.until_looks(8)
            assert one.engine.window == 64

    @pytest.mark.parametrize("share", [256, 128, 85, 25], ids=["alone", "too few expected", "as expected", "too many"])
    @pytest.mark.parametrize("begin", [(256, 256, 8), (256, 85, 85), (25, 25, 25), (85, 85, 85)])
    async def test_tasks_fill_an_engine_and_leave_each_other_room_however_they_begin(
        self, begin: tuple[int, int, int], share: int
    ) -> None:
        """Three tasks that always fill their windows, looking in turn at an engine that holds all they sent."""
        limits = Engines(list_size=8, in_flight=256)
        async with aiohttp.ClientSession() as session:
            engines = [Engine("http://a", window, share) for window in begin]
            watches = [EngineWatch(session, [one], limits, hung=lambda *_: None) for one in engines]
            for turn in range(200):
                for one, watch in zip(engines, watches, strict=True):
                    one.in_flight = one.window
                    watch._resize(one, Reading(0.0, running=sum(each.window for each in engines)))
                if turn > 12:  # a minute
                    assert 0.9 * 256 < sum(one.window for one in engines) < 1.4 * 256
            windows = sorted(one.window for one in engines)
            assert windows[-1] < 1.5 * windows[0]


class TestSharing:
    async def test_shards_that_begin_together_do_not_flood_the_engines(self) -> None:
        """Four tasks on two engines: each begins with its part of the target, so together they keep to it."""
        spec = quick_spec(shard_phrases=240, target_phrases=960, engines={"list_size": 4, "in_flight": 64})

        async def shard(number: int, urls: list[str]) -> None:
            pool = EnginePool(urls, spec, patience=Patience(watch_s=60), part=lambda found: Part(list(found), 4))
            async with pool:
                assert [engine.window for engine in pool.engines] == [16, 16]
                await Mill(spec, shard_of(spec, number), pool=pool, staging=MemoryStaging()).grind()

        with engines_at("127.0.0.1", "127.0.0.2", max_num_seqs=32, tokens_per_second=4_000) as engines:
            await asyncio.gather(*(shard(number, [engine.url for engine in engines]) for number in range(4)))
            states = [await asyncio.to_thread(engine.state) for engine in engines]
        # four whole windows are 256
        assert all(16 < state["max_prompts_in_flight"] <= 64 for state in states)

    async def test_two_shards_on_one_engine_leave_each_other_room(self) -> None:
        """Neither knows of the other; together they keep the engine near its target, and finish side by side."""
        spec = quick_spec(shard_phrases=720, target_phrases=1440, engines={"list_size": 8, "in_flight": 64})
        patience = Patience(watch_s=0.125)
        accepted = [0, 0]
        held: list[int] = []

        async def shard(number: int, url: str, *, delay_s: float = 0.0) -> None:
            await asyncio.sleep(delay_s)

            def look(progress: object) -> None:
                accepted[number] = progress.accepted  # type: ignore[attr-defined]

            async with EnginePool([url], spec, patience=patience) as pool:
                mill = Mill(
                    spec, shard_of(spec, number), pool=pool, staging=MemoryStaging(),
                    on_progress=look, progress_every_s=0.02,
                )  # fmt: skip
                await mill.grind()

        async def look_at(engine: FakeEngineProcess) -> None:
            while True:
                await asyncio.sleep(0.25)
                if min(accepted) > 100:
                    held.append((await asyncio.to_thread(engine.state))["prompts_in_flight"])

        with FakeEngineProcess(model="tiny-model", max_num_seqs=32, tokens_per_second=8_000) as engine:
            looking = asyncio.create_task(look_at(engine))
            first = asyncio.create_task(shard(0, engine.url))
            second = asyncio.create_task(shard(1, engine.url, delay_s=0.5))
            await first
            behind = accepted[1]
            looking.cancel()
            await second
        assert behind > 380
        assert held
        assert sum(held) / len(held) < 1.4 * 64
