"""The pool on servers that are asked one prompt at a time, held back, or out of quota."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from phrasemill.engines.backend import CHAT, CHAT_IN_FLIGHT, Backend
from phrasemill.engines.http import BadPrompt, EngineFault
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import QuotaSpent
from phrasemill.mill import Mill
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from tests.engines.scripted import Handler, answer, scripted
from tests.engines.test_probing import Tally, chat_server
from tests.grinding import MemoryStaging, quick_spec

pytestmark = pytest.mark.asyncio
BRIEF = Patience(list_s=20, outage_s=1.0, silence_s=5, watch_s=0.2)
SINGLE = {"sampling": {"n": 2}, "engines": {"in_flight": 512}}


NOUNS, TIMES = ("keeper", "sailor", "baker"), ("today", "at noon", "by night")
ONE_BY_ONE = Backend(kind="chat", max_tokens=64, path=CHAT, takes_n=False)


@asynccontextmanager
async def talking(server: Handler, spec: CorpusSpec, **more: Any) -> AsyncIterator[EnginePool]:
    async with scripted(v1__chat__completions=server) as url, EnginePool([url], spec, patience=BRIEF, **more) as pool:
        yield pool


def texts_but(statuses: dict[int, int]) -> Handler:
    """Answer texts, but the requests of these numbers, from 0, with an error of this status."""
    number = itertools.count()
    good = chat_server()

    async def handle(request: web.Request) -> web.StreamResponse:
        if status := statuses.get(next(number)):
            return web.json_response({"error": {"message": "later"}}, status=status)
        return await good(request)

    return handle


class TestWindows:
    async def test_a_chat_server_gets_a_bounded_number_of_requests(self) -> None:
        async with talking(chat_server(), quick_spec(**SINGLE)) as pool:
            await pool.backend()
            assert pool.engines[0].window == CHAT_IN_FLIGHT
        for samples in (1, 2):
            limits = {"in_flight": 512, "limits": {"concurrent": 3}}
            async with talking(chat_server(), quick_spec(engines=limits, sampling={"n": samples})) as pool:
                await pool.backend()
                assert pool.engines[0].window == 3 * samples

    async def test_a_429_halves_the_window_and_answers_bring_it_back(self) -> None:
        async with talking(chat_server(), quick_spec(**SINGLE)) as pool:
            await pool.backend()
            engine = pool.engines[0]
            for _ in range(3):  # of requests that were in flight together
                engine.note_fault(EngineFault("busy", status=429))
            assert engine.window == CHAT_IN_FLIGHT // 2
            assert engine.healthy
            assert 0 < engine.pause_left_s < 1
            for _ in range(CHAT_IN_FLIGHT // 2):
                await pool.ask(await pool.room(1), ["Write."])
            assert engine.window == CHAT_IN_FLIGHT // 2 + 1

    async def test_429_without_a_time_is_left_alone_longer_each_time(self) -> None:
        async with talking(chat_server(), quick_spec()) as pool:
            engine, pauses = pool.engines[0], []
            for _ in range(4):
                engine._paused_until = 0.0
                engine.note_fault(EngineFault("busy", status=429))
                pauses.append(engine.pause_left_s)
        assert pauses[3] > 3 > pauses[1] > pauses[0]

    async def test_lists_without_metrics_get_their_window_back(self) -> None:
        two = [{"index": place, "text": "Well.", "finish_reason": "stop"} for place in range(8)]
        async with (
            scripted(v1__completions=answer({"choices": two})) as url,
            EnginePool([url], quick_spec(model={"chat": False}), patience=BRIEF) as pool,
        ):
            assert (await pool.backend()).kind == "vllm"
            engine = pool.engines[0]
            await pool.watch._look(engine, 1.0, 60.0)
            assert engine.window == 32
            engine.note_fault(EngineFault("busy", status=429))
            assert engine.window == 16
            for _ in range(5):
                await pool.ask(await pool.room(8), ["Write."] * 8)
            assert engine.window == 32


class TestSamples:
    async def test_a_server_without_n_is_asked_as_often(self) -> None:
        server = chat_server(lambda body: ("n" in body and "n is not supported") or None)
        async with talking(server, quick_spec(**SINGLE)) as pool:
            await pool.backend()
            answers = await pool.ask(await pool.room(2), ["Write."], n=2)
        assert answers.texts == ["Well, well."] * 2
        assert (answers.prompt_tokens, answers.completion_tokens) == (14, 128)
        assert pool.engines[0].in_flight == 0

    async def test_of_several_requests_those_that_came_back_are_kept(self) -> None:
        async with talking(texts_but({2: 500}), quick_spec(**SINGLE)) as pool:
            pool._backend = ONE_BY_ONE
            answers = await pool.ask(await pool.room(4), ["a", "b"], n=2)
        assert sorted(text is None for text in answers.texts) == [False, False, False, True]

    async def test_those_that_are_to_be_asked_later_are_told_apart(self) -> None:
        async with talking(texts_but({1: 429, 2: 500}), quick_spec(**SINGLE)) as pool:
            pool._backend = ONE_BY_ONE
            answers = await pool.ask(await pool.room(4), ["a", "b"], n=2)
        lost = [place for place, text in enumerate(answers.texts) if text is None]
        assert len(lost) == 2
        assert len(answers.put_off) == 1
        assert answers.put_off < set(lost)


class TestStorm:
    async def test_samples_that_are_put_off_again_and_again_are_not_rejected(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("phrasemill.engines.engine.FIRST_PAUSE_S", 0.001)
        spec = quick_spec(
            target_phrases=40, shard_phrases=40, block_phrases=40, sampling={"n": 8}, rules={"max_attempts": 1}
        )
        texts = iter(f"The {what} saw a {whom} {when}." for what in "abcdefghij" for whom in NOUNS for when in TIMES)
        number = itertools.count()

        async def stormy(_request: web.Request) -> web.Response:
            if next(number) % 4:
                return web.Response(status=429)
            message = {"index": 0, "message": {"content": next(texts)}, "finish_reason": "stop"}
            return web.json_response({"choices": [message]})

        staging = MemoryStaging()
        async with talking(stormy, spec) as pool:
            pool._backend = ONE_BY_ONE
            facts = await Mill(spec, shard_of(spec, 0), pool=pool, staging=staging).grind()
        assert facts.accepted == 40
        assert facts.rejects == {}


class TestQuota:
    @pytest.mark.parametrize(
        ("status", "body"),
        [(402, {"error": "exceeded your monthly credits"}), (429, {"error": {"code": "insufficient_quota"}})],
    )
    async def test_a_quota_that_is_spent_is_told_at_once(self, status: int, body: dict[str, Any]) -> None:
        async with talking(answer(body, status=status), quick_spec()) as pool:
            with pytest.raises(QuotaSpent, match="let a later night go on"):
                await pool.backend()

    async def test_engines_that_ask_for_hours_are_not_waited_for(self) -> None:
        server = answer({"error": "come back tomorrow"}, status=429)

        async def tomorrow(request: web.Request) -> web.StreamResponse:
            response = await server(request)
            response.headers["Retry-After"] = "36000"
            return response

        async with talking(tomorrow, quick_spec()) as pool:
            with pytest.raises(QuotaSpent, match=r"left alone for 1\d h.*a later night"):
                await pool.backend()


class TestLeave:
    async def test_what_becomes_of_every_request_is_told(self) -> None:
        tally = Tally()
        async with talking(texts_but({0: 429, 1: 500}), quick_spec(), throttle=tally) as pool:
            pool._backend = ONE_BY_ONE
            for _ in range(2):
                with pytest.raises(EngineFault):
                    await pool.ask(await pool.room(1), ["Write."])
            await pool.ask(await pool.room(1), ["Write."])
        assert tally.ends == [False, True, (7, 64)]

    async def test_what_was_written_is_told_with_its_tokens(self) -> None:
        tally = Tally()
        async with talking(chat_server(), quick_spec(), throttle=tally) as pool:
            await pool.backend()
            await pool.ask(await pool.room(1), ["Write."])
        assert tally.ends[-1] == (7, 64)
        assert tally.turns[-1][1] == 64

    async def test_what_waits_for_its_turn_is_not_sent_to_an_engine_that_is_left_alone(self) -> None:
        tally, asked = Tally(), itertools.count()

        async def counting(_request: web.Request) -> web.StreamResponse:
            next(asked)
            return web.Response(status=500)

        async with talking(counting, quick_spec(), throttle=tally) as pool:
            pool._backend = ONE_BY_ONE
            engine = await pool.room(1)
            engine.note_fault(EngineFault("busy", status=429, retry_after=60))
            with pytest.raises(EngineFault, match="left alone") as fault:
                await pool.ask(engine, ["Write."])
        assert not fault.value.reached
        assert next(asked) == 0
        assert tally.ends == [False]
        assert engine.in_flight == 0

    async def test_a_filtered_answer_is_paid_for(self) -> None:
        tally = Tally()
        filtered = {"choices": [{"index": 0, "message": {"content": None}, "finish_reason": "content_filter"}]}
        async with talking(answer(filtered), quick_spec(), throttle=tally) as pool:
            pool._backend = ONE_BY_ONE
            with pytest.raises(BadPrompt, match="content filter"):
                await pool.ask(await pool.room(1), ["Write."])
        assert tally.ends == [True]

    async def test_a_refused_prompt_costs_nothing(self) -> None:
        tally = Tally()
        server = chat_server(lambda body: "too long" if "endless" in body["messages"][-1]["content"] else None)
        async with talking(server, quick_spec(), throttle=tally) as pool:
            await pool.backend()
            with pytest.raises(BadPrompt):
                await pool.ask(await pool.room(1), ["An endless prompt."])
        assert tally.ends[-1] is False
