"""The engine pool on its own: lists and answers, balance, the breaker, outages, waiting that can be ended."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from phrasemill.engines.chat_template import BARE
from phrasemill.engines.engine import Breaker, Engine
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.http import BadPrompt, EngineFault
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.engines.probing import in_lists
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.spec import CorpusSpec
from tests.engines.scripted import answer, scripted
from tests.grinding import quick_spec, wait_until

BRIEF = Patience(list_s=5, outage_s=1.0, silence_s=5, watch_s=0.2)


@asynccontextmanager
async def opened(
    *urls: str, spec: CorpusSpec | None = None, patience: Patience = BRIEF, api_key: str | None = None
) -> AsyncIterator[EnginePool]:
    """A pool that finds out for itself how to ask, unless it is told `as_lists`."""
    async with EnginePool(urls, spec or quick_spec(), patience=patience, api_key=api_key) as pool:
        yield pool


def as_lists(pool: EnginePool) -> EnginePool:
    """Let a pool know that its servers take lists, without asking them."""
    pool._backend = in_lists(quick_spec(), BARE)
    return pool


async def ask(pool: EnginePool, *prompts: str, n: int = 1) -> list[str | None]:
    engine = await pool.room(len(prompts) * n)
    return (await pool.ask(engine, list(prompts), n=n)).texts


@pytest.mark.asyncio
class TestLists:
    async def test_answers_come_in_the_order_of_the_prompts_whatever_that_of_the_choices(
        self, engine: FakeEngineProcess
    ) -> None:
        engine.faults(mode="text", text="echo")
        engine.faults(mode="shuffled")
        async with opened(engine.url) as pool:
            assert await ask(pool, "one", "two", "three", "four") == ["one", "two", "three", "four"]
            assert await ask(pool, "a", "b", n=2) == ["a", "a", "b", "b"]

    async def test_a_list_carries_model_sampling_and_no_slow_parameter(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec(sampling={"max_tokens": 33, "temperature": 0.7})
        async with opened(f"{engine.url}/v1/", spec=spec) as pool:
            await ask(pool, "one")
        assert engine.requests(last=1)[0]["body"] == {
            "model": "tiny-model",
            "max_tokens": 33,
            "temperature": 0.7,
            "add_special_tokens": False,
            "prompt": ["one"],
        }

    async def test_top_p_and_the_tokenizers_own_special_tokens_go_where_they_are_wanted(
        self, engine: FakeEngineProcess
    ) -> None:
        spec = quick_spec(sampling={"top_p": 0.9}, model={"chat": False})
        async with opened(engine.url, spec=spec) as pool:
            assert (await pool.backend()).template.render("as it is") == "You write short stories.\n\nas it is\n"
            await ask(pool, "one")
        body = engine.requests(last=1)[0]["body"]
        assert (body["top_p"], body["add_special_tokens"]) == (0.9, True)

    async def test_an_adapter_is_asked_for_by_its_name(self) -> None:
        with FakeEngineProcess(model="tiny-model", lora=("harbour",)) as engine:
            async with opened(engine.url, spec=quick_spec(model={"adapter": "harbour"})) as pool:
                await pool.backend()
                await ask(pool, "one")
            assert engine.requests(last=1)[0]["body"]["model"] == "harbour"

    async def test_tokens_are_counted(self, engine: FakeEngineProcess) -> None:
        before = engine.state()["generation_tokens"]
        async with opened(engine.url) as pool:
            answers = await pool.ask(await pool.room(2), ["one", "two"])
        assert answers.prompt_tokens == engine.state()["prompt_tokens"]
        assert answers.completion_tokens == engine.state()["generation_tokens"] - before

    async def test_an_answer_without_usage_still_counts(self) -> None:
        reply = {"choices": [{"index": 0, "text": "Well.", "finish_reason": "stop"}], "usage": None}
        async with scripted(v1__completions=answer(reply)) as url, opened(url) as pool:
            answers = await as_lists(pool).ask(await pool.room(1), ["one"])
        assert (answers.texts, answers.completion_tokens) == (["Well."], 0)

    async def test_more_than_a_hundred_lists_are_in_flight_at_once(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="slow", seconds=3)
        spec = quick_spec(engines={"list_size": 1, "in_flight": 150})
        async with opened(engine.url, spec=spec, patience=Patience(list_s=60)) as pool:
            await asyncio.gather(*(ask(pool, "one") for _ in range(150)))
        assert engine.state()["max_lists_in_flight"] == 150

    async def test_no_url_is_refused(self) -> None:
        with pytest.raises(EngineRefused, match="no engine URL"):
            EnginePool([], quick_spec())

    @pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost:8000", "ftp://somewhere", "http://"])
    async def test_something_that_is_no_url_is_refused(self, url: str) -> None:
        with pytest.raises(EngineRefused, match=r"is no URL of an engine; write for example http://"):
            EnginePool([url], quick_spec())


@pytest.mark.asyncio
class TestBalance:
    async def test_the_engine_with_least_in_flight_is_taken(self) -> None:
        async with opened("http://a", "http://b") as pool:
            taken = [(await pool.room(8)).url for _ in range(4)]
            assert taken == ["http://a", "http://b", "http://a", "http://b"]
            first = pool.engines[0]
            pool.leave(first, 16)
            assert [(await pool.room(8)).url for _ in range(3)] == ["http://a", "http://a", "http://a"]

    async def test_least_is_least_of_its_window(self) -> None:
        async with opened("http://a", "http://b") as pool:
            pool.engines[0].window, pool.engines[1].window = 8, 32
            pool.engines[0].reserve(4)
            pool.engines[1].reserve(12)
            assert (await pool.room(4)).url == "http://b"

    async def test_a_full_window_waits_until_room_is_given_back(self) -> None:
        async with opened("http://a", patience=Patience(watch_s=60)) as pool:
            for _ in range(4):
                await pool.room(8)
            waiting = asyncio.create_task(pool.room(8))
            await asyncio.sleep(0.02)
            pool.leave(pool.engines[0], 7)
            await asyncio.sleep(0.02)
            assert not waiting.done()
            pool.leave(pool.engines[0], 1)
            assert (await asyncio.wait_for(waiting, 30)).in_flight == 32


class TestBreaker:
    def engine(self) -> Engine:
        return Engine("http://a", 32)

    def test_three_faults_in_a_row_open_it_and_two_do_not(self) -> None:
        engine = self.engine()
        assert [engine.note_fault(EngineFault("no")) for _ in range(2)] == [False, False]
        engine.note_answer()
        assert [engine.note_fault(EngineFault("no")) for _ in range(3)] == [False, False, True]
        assert not engine.healthy
        assert not engine.has_room(1)

    def test_an_engine_that_is_not_there_opens_it_at_once(self) -> None:
        assert self.engine().note_fault(EngineFault("refused", reached=False))

    def test_half_open_it_lets_one_list_through(self) -> None:
        engine = self.engine()
        engine.open("dead")
        engine.offer_trial()
        assert engine.has_room(8)
        engine.reserve(8)
        assert not engine.has_room(8)
        engine.note_answer()
        assert engine.has_room(8)

    def test_a_failed_trial_opens_it_again_and_says_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        engine = self.engine()
        engine.open("dead")
        engine.offer_trial()
        engine.reserve(8)
        assert engine.note_fault(EngineFault("still dead"))
        assert engine.breaker is Breaker.OPEN
        assert [record.getMessage() for record in caplog.records] == [
            "engine http://a is left out until it is healthy again: dead"
        ]

    def test_late_faults_of_an_open_engine_change_nothing(self) -> None:
        engine = self.engine()
        engine.open("dead")
        assert not any(engine.note_fault(EngineFault("no")) for _ in range(5))

    def test_a_late_answer_of_an_open_engine_changes_nothing(self) -> None:
        engine = self.engine()
        engine.open("dead")
        engine.note_answer()  # to what was sent before
        assert engine.breaker is Breaker.OPEN
        assert not engine.has_room(1)

    def test_pauses_grow_to_a_limit_and_begin_anew_with_each_outage(self) -> None:
        engine = self.engine()
        engine.open("dead")
        pauses = [engine.next_pause_s() for _ in range(10)]
        assert 0.25 <= pauses[0] <= 0.5
        assert min(pauses[6:]) >= 7.5
        assert max(pauses) <= 15
        engine.offer_trial()
        engine.note_answer()
        engine.open("dead again")
        assert engine.next_pause_s() <= 0.5

    @pytest.mark.asyncio
    async def test_a_refused_prompt_is_an_answer(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=500, count=2)
        engine.faults(mode="status", status=400, count=1)
        engine.faults(mode="status", status=500, count=2)
        async with opened(engine.url) as pool:
            for expected in (EngineFault, EngineFault, BadPrompt, EngineFault, EngineFault):
                with pytest.raises(expected):
                    await ask(pool, "one")
            assert pool.engines[0].healthy

    @pytest.mark.asyncio
    async def test_it_stays_open_while_health_is_bad(
        self, engine: FakeEngineProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        engine.faults(mode="unhealthy", count=1)
        async with opened(engine.url, patience=Patience(outage_s=20)) as pool:
            await ask(pool, "one")
            pool._hung(pool.engines[0], "hung")
            started = time.monotonic()
            await ask(pool, "two")
            assert time.monotonic() - started > 0.5  # two looks at /health
        assert engine.state()["faults_struck"] == {"unhealthy": 1}
        assert "is back after" in caplog.text


@pytest.mark.asyncio
class TestPauses:
    async def test_retry_after_keeps_one_engine_alone_and_the_others_busy(
        self, engines: list[FakeEngineProcess]
    ) -> None:
        engines[0].faults(mode="status", status=503, retry_after=30, count=1)
        async with opened(*(engine.url for engine in engines)) as pool:
            asked_at = time.monotonic()
            with pytest.raises(EngineFault) as fault:
                await ask(pool, "one")
            assert fault.value.retry_after == 30
            for _ in range(3):
                await ask(pool, "one")
            left_s = pool.engines[0].pause_left_s
            assert 30 - (time.monotonic() - asked_at) <= left_s <= 36
            assert pool.engines[0].healthy
        assert [engine.state()["phrases"] for engine in engines] == [0, 3]

    @pytest.mark.parametrize(
        ("headers", "waits"),
        [
            ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
            ({"Retry-After": "2.5"}, 2.5),
            ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": ""}, None),
        ],
    )
    async def test_a_wait_is_told_in_seconds_in_milliseconds_or_as_a_date(
        self, headers: dict[str, str], waits: float | None
    ) -> None:
        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=429, headers=headers)

        async with scripted(v1__completions=busy) as url, opened(url) as pool:
            with pytest.raises(EngineFault) as fault:
                await ask(as_lists(pool), "one")
            assert fault.value.retry_after == waits
            assert fault.value.throttled
            assert pool.engines[0].pause_left_s > 0


@pytest.mark.asyncio
class TestOutage:
    async def test_it_waits_for_the_budget_then_names_the_engines(self) -> None:
        async with opened("http://127.0.0.1:9", "http://127.0.0.1:10") as pool:
            started = time.monotonic()
            with pytest.raises(EnginesDown, match=r"127\.0\.0\.1:9, http://127\.0\.0\.1:10"):
                await pool.backend()
            assert 0.9 < time.monotonic() - started < 20

    async def test_each_outage_has_the_whole_budget(self, engine: FakeEngineProcess) -> None:
        async with opened(engine.url, patience=Patience(outage_s=3)) as pool:
            one = as_lists(pool).engines[0]
            for _ in range(3):  # 3.6 s of outages together, 1.2 s each, of 3 s allowed
                one.open("gone")
                waiting = asyncio.create_task(ask(pool, "one"))
                await asyncio.sleep(1.2)
                one.offer_trial()
                pool.leave(one, 0)
                await waiting

    async def test_health_alone_does_not_end_an_outage(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="wrong_json", body="maintenance")
        async with opened(engine.url) as pool:

            async def ask_on() -> None:
                while True:
                    with pytest.raises(EngineFault):
                        await ask(pool, "one")

            with pytest.raises(EnginesDown):
                await asyncio.wait_for(ask_on(), 30)
        assert engine.state()["lists"] < 8

    async def test_a_server_without_health_comes_back_too(self) -> None:
        good = {"choices": [{"index": 0, "text": "Well.", "finish_reason": "stop"}]}
        answers = iter([500, 500, 500])

        async def completions(_request: web.Request) -> web.Response:
            status = next(answers, 200)
            return web.json_response(good, status=status)

        async with scripted(v1__completions=completions) as url, opened(url, patience=Patience(outage_s=30)) as pool:
            as_lists(pool)
            for _ in range(3):
                with pytest.raises(EngineFault):
                    await ask(pool, "one")
            assert not pool.engines[0].healthy
            assert await ask(pool, "one") == ["Well."]

    async def test_the_template_is_learnt_when_an_engine_comes_up(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=503, path="/tokenize", count=3)
        async with opened(engine.url, patience=Patience(outage_s=30)) as pool:
            assert "<|im_start|>" in (await pool.backend()).template.before
            assert pool.engines[0].healthy


@pytest.mark.asyncio
class TestWaiting:
    """What ends a shard also ends its waiting for room, at whatever moment it comes."""

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_cancellation_that_comes_with_a_change_is_not_swallowed(self, turns: int) -> None:
        async with opened("http://a", patience=Patience(watch_s=60)) as pool:
            engine = await pool.room(32)
            waiting = asyncio.create_task(pool.room(32))
            await asyncio.sleep(0.01)
            pool.leave(engine, 1)  # a change, but not room enough
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            done, _ = await asyncio.wait([waiting], timeout=20)
            waiting.cancel()
            assert done, "the cancellation was swallowed"
            assert waiting.cancelled()

    async def test_a_closed_pool_leaves_no_task(self, engine: FakeEngineProcess) -> None:
        async with opened(engine.url, "http://127.0.0.1:9") as pool:
            await pool.backend()
            pool.engines[1].open("gone")
            pool._hung(pool.engines[0], "hung")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_lists_are_given_up_once_and_for_all(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="hang")
        async with opened(engine.url, patience=Patience(list_s=60)) as pool:
            lists = [asyncio.create_task(ask(pool, "one")) for _ in range(3)]
            await asyncio.to_thread(wait_until, lambda: engine.state()["lists_in_flight"] == 3)
            pool.engines[0].give_up_lists()
            await asyncio.sleep(0)  # the deadlines have passed, the lists do not know yet
            pool.engines[0].give_up_lists()
            done, _ = await asyncio.wait(lists, timeout=20)
            assert all(isinstance(task.exception(), EngineFault) for task in done)
            assert len(done) == 3
            assert pool.engines[0].in_flight == 0
        await asyncio.to_thread(wait_until, lambda: engine.state()["lists_in_flight"] == 0)

    async def test_a_helper_that_dies_is_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        async def crash() -> None:
            raise ZeroDivisionError

        async with opened("http://a") as pool:
            pool._start(crash())
            await asyncio.sleep(0.01)
        assert "not looked after any more" in caplog.text
