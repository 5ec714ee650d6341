"""Engines that come and go while a pool is open: found by a name that is looked up again and again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from phrasemill.engines.chat_template import BARE
from phrasemill.engines.http import EngineFault
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.engines.probing import in_lists
from phrasemill.errors import EnginesDown
from phrasemill.mill import Mill
from phrasemill.planning import shard_of
from phrasemill.sharing import Part, part_of_task
from phrasemill.spec import CorpusSpec
from tests.engines.names import UNKNOWN, Names, engines_at
from tests.grinding import Ground, MemoryStaging, assert_whole, quick_spec

pytestmark = pytest.mark.asyncio

NAME = "dns+http://engines:8000"
BRISK = Patience(list_s=30, outage_s=30, silence_s=30, watch_s=0.1, names_s=0.02)
A, B = "http://10.0.0.1:8000", "http://10.0.0.2:8000"


@asynccontextmanager
async def opened(
    names: Names,
    *given: str,
    patience: Patience = BRISK,
    part: Callable[..., Part] | None = None,
    spec: CorpusSpec | None = None,
) -> AsyncIterator[EnginePool]:
    choice = {"part": part} if part else {}
    pool = EnginePool(given or [NAME], spec or quick_spec(), patience=patience, look_up=names, **choice)
    async with pool:
        yield pool


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for happens in the pool's own tasks
            await asyncio.sleep(0.005)


def urls(pool: EnginePool) -> list[str]:
    return [engine.url for engine in pool.engines]


class TestComingAndGoing:
    async def test_new_addresses_become_engines_and_are_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        names = Names(["10.0.0.1"])
        async with opened(names) as pool:
            assert urls(pool) == [A]
            names.addresses = ["10.0.0.2", "10.0.0.1"]
            await until(lambda: len(pool.engines) == 2)
            assert urls(pool) == [A, B]
            assert pool.watch.engines is pool.engines
        assert [record.getMessage() for record in caplog.records] == [f"engines found: {A}", f"engines found: {B}"]

    async def test_somebody_who_waits_for_room_gets_it_from_a_new_engine(self) -> None:
        names = Names(["10.0.0.1"])
        async with opened(names, patience=Patience(names_s=0.02)) as pool:
            for _ in range(4):
                await pool.room(8)
            waiting = asyncio.create_task(pool.room(8))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            names.addresses = ["10.0.0.1", "10.0.0.2"]
            assert (await asyncio.wait_for(waiting, 30)).url == B

    async def test_one_that_is_gone_gets_no_new_lists_and_is_dropped_when_its_last_is_back(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        names = Names(["10.0.0.1", "10.0.0.2"])
        async with opened(names) as pool:
            first = await pool.room(8)
            assert first.url == A
            names.addresses = ["10.0.0.2"]
            await until(lambda: first.leaving)
            assert [(await pool.room(8)).url for _ in range(3)] == [B, B, B]
            looked = len(names.asked)
            await until(lambda: len(names.asked) > looked + 2)
            assert urls(pool) == [A, B]
            pool.leave(first, 8)
            assert urls(pool) == [B]
        assert caplog.messages.count(f"engine {A} is no longer one of this task's, and gets no new lists") == 1

    async def test_one_that_is_back_before_it_was_dropped_goes_on(self) -> None:
        names = Names(["10.0.0.1"])
        async with opened(names) as pool:
            engine = await pool.room(8)
            names.addresses = []
            await until(lambda: engine.leaving)
            names.addresses = ["10.0.0.1"]
            await until(lambda: not engine.leaving)
            assert await pool.room(8) is engine
            assert engine.in_flight == 16

    async def test_a_dead_one_that_is_gone_is_asked_for_its_health_no_more(self) -> None:
        names = Names(["127.0.0.1"])
        async with opened(names, "dns+http://engines:9") as pool:
            with pytest.raises(EngineFault):
                pool._backend = in_lists(quick_spec(), BARE)
                await pool.ask(await pool.room(1), ["one"])
            assert not pool.engines[0].healthy
            names.addresses = []
            await until(lambda: not pool.engines)
            await until(lambda: len(pool._tasks) == 2)  # the watch, and the look-ups

    async def test_what_was_seen_of_one_that_went_says_nothing_when_it_is_back(self) -> None:
        names = Names(["127.0.0.1"])
        with engines_at("127.0.0.1") as (engine,):
            async with opened(names, engine.url.replace("http://127.0.0.1", "dns+http://engines")) as pool:
                await until(lambda: engine.url in pool.watch.readings)
                names.addresses = []
                await until(lambda: not pool.watch.readings)

    async def test_urls_alone_are_never_looked_up(self) -> None:
        names = Names(["10.0.0.1"])
        async with opened(names, A, B) as pool:
            assert urls(pool) == [A, B]
            assert len(pool._tasks) == 1
        assert names.asked == []


class TestLookUpsThatFail:
    async def test_keep_what_is_known_and_are_told_of_once(self, caplog: pytest.LogCaptureFixture) -> None:
        names = Names(["10.0.0.1"])
        async with opened(names) as pool:
            names.error = UNKNOWN
            looked = len(names.asked)
            await until(lambda: len(names.asked) > looked + 3)
            assert urls(pool) == [A]
            assert not pool.engines[0].leaving
        (line,) = caplog.messages
        assert line.startswith(f"{NAME}: the name engines cannot be looked up (Name or service not known); the engines")

    async def test_from_the_start_are_an_outage_that_ends_with_the_first_address(self) -> None:
        names = Names(error=UNKNOWN)
        async with opened(names) as pool:
            waiting = asyncio.create_task(pool.room(8))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            names.error, names.addresses = None, ["10.0.0.1"]
            assert (await asyncio.wait_for(waiting, 30)).url == A

    @pytest.mark.parametrize(
        ("names", "told"),
        [
            (Names(error=UNKNOWN), f"{NAME}: the name engines cannot be looked up (Name or service not known)"),
            (Names([]), NAME),
        ],
        ids=["unknown", "empty"],
    )
    async def test_for_longer_than_the_budget_name_what_was_looked_up(self, names: Names, told: str) -> None:
        async with opened(names, patience=Patience(outage_s=0.2, names_s=0.02)) as pool:
            with pytest.raises(EnginesDown) as down:
                await pool.room(8)
        assert str(down.value).startswith(f"no engine has answered for 0.2 s ({told}); start them again")

    async def test_all_engines_gone_is_an_outage_although_lists_are_out(self) -> None:
        names = Names(["10.0.0.1"])
        async with opened(names, patience=Patience(outage_s=0.2, names_s=0.02)) as pool:
            engine = await pool.room(8)
            names.addresses = []
            await until(lambda: engine.leaving)
            with pytest.raises(EnginesDown):
                await pool.room(8)


class TestTheTasksPart:
    async def test_is_chosen_from_all_that_are_found(self) -> None:
        names = Names([f"10.0.{number}.1" for number in range(100)])
        async with opened(names, part=lambda found: part_of_task(found, 5)) as pool:
            every = [f"http://10.0.{number}.1:8000" for number in range(100)]
            assert urls(pool) == part_of_task(every, 5).engines
            assert len(pool.engines) == 64
            names.addresses = names.addresses[:64]
            await until(lambda: set(urls(pool)) == set(every[:64]))

    async def test_windows_begin_with_what_is_left_beside_the_other_tasks(self) -> None:
        async with opened(Names(["10.0.0.1"]), part=lambda found: Part(list(found), 4)) as pool:
            assert (pool.engines[0].window, pool.engines[0].share) == (8, 8)
        async with opened(Names(["10.0.0.1"]), part=lambda found: Part(list(found), 99)) as pool:
            assert pool.engines[0].window == 1
            assert (await pool.room(8)).in_flight == 8  # a list is always in flight


class TestAShard:
    async def test_is_whole_when_engines_join_and_leave_meanwhile(self) -> None:
        spec = quick_spec(shard_phrases=960, target_phrases=960, engines={"list_size": 8, "in_flight": 16})
        names, staging = Names(["127.0.0.1"]), MemoryStaging()
        with engines_at("127.0.0.1", "127.0.0.2", "127.0.0.3", latency_ms=40) as engines:
            one, two, three = (engine.url for engine in engines)
            source = one.replace("http://127.0.0.1", "dns+http://engines")

            async def come_and_go(pool: EnginePool) -> int:
                by_url = {}

                def answered(url: str) -> int:
                    by_url.update({engine.url: engine for engine in pool.engines})
                    return by_url[url].lists if url in by_url else 0

                await until(lambda: answered(one))
                names.addresses = ["127.0.0.1", "127.0.0.2"]
                await until(lambda: answered(two))
                names.addresses = ["127.0.0.2", "127.0.0.3"]
                await until(lambda: answered(three) and one not in urls(pool))
                return answered(one)

            async with opened(names, source, spec=spec) as pool:
                mill = Mill(spec, shard_of(spec, 0), pool=pool, staging=staging)
                facts, lists_of_one = await asyncio.gather(mill.grind(), come_and_go(pool))
                assert set(urls(pool)) == {two, three}
            states = [await asyncio.to_thread(engine.state) for engine in engines]
        assert states[0]["lists"] == lists_of_one  # nothing more after it was gone
        assert all(state["disconnects"] == 0 for state in states)
        assert sum(state["phrases"] for state in states) == 960  # and nothing was asked twice
        assert_whole(Ground(facts, staging, 0.0), spec)
