"""What is found out about a server by asking it: servers that refuse, ignore or miscount what others take."""

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from phrasemill.engines.backend import Backend
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.http import EngineFault, KeyRefused, open_session
from phrasemill.engines.probing import find_backend
from phrasemill.errors import EngineRefused
from phrasemill.spec import CorpusSpec
from tests.engines.scripted import Handler, answer, scripted
from tests.grinding import quick_spec

pytestmark = pytest.mark.asyncio
Refusal = Callable[[dict[str, Any]], str | None]


def chat_server(refuses: Refusal = lambda _body: None, *, most_answers: int = 99, counts: bool = True) -> Handler:
    """A chat server that refuses what `refuses` names, gives so many answers at most, and may count one of them."""

    async def handle(request: web.Request) -> web.Response:
        body = await request.json()
        if why := refuses(body):
            return web.json_response({"error": {"message": why}}, status=400)
        count = min(body.get("n", 1), most_answers)
        tokens = body.get("max_tokens") or body.get("max_completion_tokens")
        message = {"role": "assistant", "content": "Well, well."}
        choices = [{"index": k, "message": message, "finish_reason": "length"} for k in range(count)]
        usage = {"prompt_tokens": 7, "completion_tokens": tokens * (count if counts else 1)}
        return web.json_response({"choices": choices, "usage": usage})

    return handle


async def found(url: str, spec: CorpusSpec | None = None, **more: Any) -> Backend:
    async with open_session(None) as session:
        return await find_backend(session, url, spec or quick_spec(), **more)


@asynccontextmanager
async def chatting(refuses: Refusal = lambda _body: None, **ways: Any):
    async with scripted(v1__chat__completions=chat_server(refuses, **ways)) as url:
        yield url


class TestLists:
    async def test_a_vllm_server_is_asked_in_lists(self, engine: FakeEngineProcess) -> None:
        backend = await found(engine.url, quick_spec(sampling={"n": 2}))
        assert (backend.kind, backend.list_size) == ("vllm", quick_spec().engines.list_size)
        assert backend.max_model_len == 1024
        assert "vLLM" in backend.line()
        assert "lists of" in backend.line()
        assert engine.state()["phrases"] == 0  # nothing is written on engines that are at work

    async def test_it_shows_that_it_takes_them_if_asked_to(self, engine: FakeEngineProcess) -> None:
        assert (await found(engine.url, quick_spec(sampling={"n": 2}), prove=True)).kind == "vllm"
        assert engine.state()["phrases"] == 8

    async def test_a_server_that_counts_the_first_answer_only_is_asked_one_by_one(self) -> None:
        async def completions(request: web.Request) -> web.Response:
            prompts = (await request.json())["prompt"]
            many = len(prompts) if isinstance(prompts, list) else 1
            choices = [{"index": k, "text": "Well.", "finish_reason": "length"} for k in range(many)]
            return web.json_response({"choices": choices, "usage": {"completion_tokens": 1}})

        async with scripted(v1__completions=completions) as url:
            backend = await found(url, quick_spec(model={"chat": False}))
        assert (backend.kind, backend.path) == ("chat", "/v1/completions")
        assert "first answer of a list only" in backend.line()
        assert "add_special_tokens" not in backend.fixed

    async def test_a_tokenizer_with_other_words_is_none(self) -> None:
        # llama.cpp answers vLLM's question for a template with an empty list.
        handlers = {"tokenize": answer({"tokens": []}), "detokenize": answer({"content": ""})}
        async with scripted(**handlers, v1__chat__completions=chat_server()) as url:
            assert (await found(url)).kind == "chat"


class TestChat:
    async def test_what_is_refused_is_left_out(self) -> None:
        def strict(body: dict[str, Any]) -> str | None:
            if "chat_template_kwargs" in body:
                return "Unrecognized request argument supplied: chat_template_kwargs"
            return "Use 'max_completion_tokens' instead." if "max_tokens" in body else None

        async with chatting(strict) as url:
            backend = await found(url, quick_spec(sampling={"n": 4}))
        assert (backend.kind, backend.length_field, backend.takes_n) == ("chat", "max_completion_tokens", True)
        assert backend.opening == ({"role": "system", "content": quick_spec().prompts.system},)
        [request] = backend.requests(["Write."], n=4)
        assert request.body == {
            "model": "tiny-model",
            "temperature": 1.0,
            "max_completion_tokens": 64,
            "messages": [*backend.opening, {"role": "user", "content": "Write."}],
            "n": 4,
        }
        assert "thinking" in backend.line()

    async def test_a_system_text_goes_before_the_user_message(self) -> None:
        def no_system(body: dict[str, Any]) -> str | None:
            return "System role not supported" if body["messages"][0]["role"] == "system" else None

        async with chatting(no_system) as url:
            backend = await found(url)
        assert backend.opening == ()
        assert backend.template.render("Write.") == f"{quick_spec().prompts.system}\n\nWrite."
        assert "chat_template_kwargs" in backend.fixed

    @pytest.mark.parametrize("ways", [{"most_answers": 1}, {"counts": False}])
    async def test_answers_that_are_not_given_or_not_counted_are_asked_one_by_one(self, ways: dict[str, Any]) -> None:
        async with chatting(**ways) as url:
            backend = await found(url, quick_spec(sampling={"n": 2}))
        assert not backend.takes_n
        assert [request.answers for request in backend.requests(["Write."], n=2)] == [1, 1]
        assert "2 samples of a prompt are as many requests" in backend.line()

    async def test_the_line_says_why_there_are_no_lists(self) -> None:
        async with chatting() as url:
            line = (await found(url)).line()
        assert "slow path" in line
        assert "no lists, since" in line
        assert "/tokenize: HTTP 404" in line

    async def test_a_server_that_tells_its_name(self) -> None:
        info = {"version": "3.3.4", "max_total_tokens": 2048, "model_id": "m"}
        async with scripted(info=answer(info), v1__chat__completions=chat_server()) as url:
            backend = await found(url)
        assert (backend.server, backend.max_model_len) == ("text-generation-inference 3.3.4", 2048)

    async def test_a_template_that_fails_on_a_system_message_has_its_text_before_the_user_message(self) -> None:
        good = chat_server()

        async def failing(request: web.Request) -> web.StreamResponse:
            if (await request.json())["messages"][0]["role"] == "system":
                return web.json_response({"error": {"message": "System role not supported"}}, status=500)
            return await good(request)

        async with scripted(v1__chat__completions=failing) as url:
            backend = await found(url)
        assert backend.template.before.startswith(quick_spec().prompts.system or "")
        assert "a system message is refused" in backend.line()

    async def test_one_500_is_chance(self) -> None:
        good, asked = chat_server(), iter((500, 200))

        async def once(request: web.Request) -> web.StreamResponse:
            return web.Response(status=500) if next(asked, 200) == 500 else await good(request)

        async with scripted(v1__chat__completions=once) as url:
            assert (await found(url)).opening[0]["role"] == "system"

    async def test_one_that_always_fails_is_asked_again_later(self) -> None:
        async with scripted(v1__chat__completions=answer("broken", status=500)) as url:
            with pytest.raises(EngineFault, match="HTTP 500"):
                await found(url)


class TestNoWay:
    async def test_all_that_it_said_is_told(self) -> None:
        def strict(body: dict[str, Any]) -> str | None:
            if "chat_template_kwargs" in body:
                return "unknown field chat_template_kwargs"
            return "use max_completion_tokens" if "max_tokens" in body else "temperature must be 1"

        async with chatting(strict) as url:
            with pytest.raises(EngineRefused, match=r"unknown field.*use max_completion.*temperature must be 1"):
                await found(url)

    @pytest.mark.parametrize("status", [401, 429])
    async def test_a_key_that_is_repeated_is_not_told(self, status: int) -> None:
        async def echoing(request: web.Request) -> web.Response:
            return web.json_response({"error": f"bad key {request.headers['Authorization']}"}, status=status)

        async with scripted(v1__chat__completions=echoing) as url, open_session("sk-very-secret") as session:
            with pytest.raises((KeyRefused, EngineFault), match="bad key Bearer") as refused:
                await find_backend(session, url, quick_spec())
        assert "secret" not in str(refused.value)

    async def test_one_that_refuses_everything_says_what_it_said(self) -> None:
        async with chatting(lambda _body: "no such luck") as url:
            with pytest.raises(EngineRefused, match=r"every way of asking.*base model set model\.chat.*no such luck"):
                await found(url)

    async def test_a_wrong_key_is_told_at_once(self) -> None:
        async with scripted(tokenize=answer({"error": "key"}, status=401)) as url:
            with pytest.raises(KeyRefused, match="check the API key"):
                await found(url)

    async def test_one_that_is_busy_is_asked_again_later(self) -> None:
        async with scripted(v1__chat__completions=answer({"error": "busy"}, status=429)) as url:
            with pytest.raises(EngineFault) as fault:
                await found(url)
        assert fault.value.throttled


class Tally:
    """A throttle that lets all go and keeps what became of it."""

    def __init__(self) -> None:
        self.turns: list[tuple[int, int]] = []
        self.ends: list[object] = []

    async def turn(self, *, prompt_bytes: int, completion_tokens: int) -> "Tally":
        self.turns.append((prompt_bytes, completion_tokens))
        return self

    def answered(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        self.ends.append((prompt_tokens, completion_tokens))

    def unanswered(self, *, billed: bool) -> None:
        self.ends.append(billed)


class TestLeave:
    async def test_every_request_that_writes_has_its_turn(self) -> None:
        tally = Tally()
        async with chatting(lambda body: "no" if "chat_template_kwargs" in body else None) as url:
            await found(url, throttle=tally)
        assert tally.ends == [False, True]
        assert all(size > len(json.dumps(quick_spec().prompts.system)) and tokens == 16 for size, tokens in tally.turns)
