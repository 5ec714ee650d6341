"""The chat template, learnt from a server's /tokenize and /detokenize."""

import json
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web

from phrasemill.engines.chat_template import MARK, ChatTemplate, learn_template
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.http import EngineFault
from phrasemill.errors import EngineRefused
from tests.engines.scripted import Handler, answer, scripted

pytestmark = pytest.mark.asyncio


async def learn(url: str, *, system: str | None = "You write.", model: str = "tiny-model") -> ChatTemplate:
    async with aiohttp.ClientSession() as session:
        return await learn_template(session, url, model=model, system=system)


def tokenizer(spell: Callable[[str], str]) -> dict[str, Handler]:
    """A server whose tokens are code points; `spell` is what its detokenizer makes of a text."""

    async def tokenize(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        text = body.get("prompt") or "".join(f"[{m['role']}]{m['content']}" for m in body["messages"]) + "[go]"
        return web.json_response({"tokens": [ord(letter) for letter in text]})

    async def detokenize(request: web.Request) -> web.Response:
        tokens = json.loads(await request.read())["tokens"]
        return web.json_response({"prompt": spell("".join(map(chr, tokens)))})

    return {"tokenize": tokenize, "detokenize": detokenize}


class TestLearnt:
    async def test_it_is_what_stands_round_the_message(self, engine: FakeEngineProcess) -> None:
        template = await learn(engine.url)
        assert template.render("Scene 1.") == (
            "<|im_start|>system\nYou write.<|im_end|>\n<|im_start|>user\nScene 1.<|im_end|>\n<|im_start|>assistant\n"
        )

    async def test_without_a_system_prompt_the_servers_own_stays(self, engine: FakeEngineProcess) -> None:
        assert "You are a helpful assistant." in (await learn(engine.url, system=None)).before

    async def test_any_reversible_server_will_do(self) -> None:
        async with scripted(**tokenizer(lambda text: text)) as url:
            assert await learn(url) == ChatTemplate("[system]You write.[user]", "[go]")

    async def test_braces_and_percent_signs_in_a_message_stay(self) -> None:
        assert ChatTemplate("<", ">").render("100 % {a} %s") == "<100 % {a} %s>"


class TestRefused:
    @pytest.mark.parametrize(
        "spell",
        [
            str.lower,  # the mark is lost
            lambda text: text.replace("[go]", ""),  # the tokens are others
            lambda text: text + MARK,  # the mark is there twice
            lambda text: "",
        ],
    )
    async def test_a_template_that_does_not_survive_the_round_trip(self, spell: Callable[[str], str]) -> None:
        async with scripted(**tokenizer(spell)) as url:
            with pytest.raises(EngineRefused, match=r"cannot be learnt.*set model.chat to false"):
                await learn(url)

    async def test_a_model_without_a_template(self) -> None:
        refuse = answer({"error": {"message": "no chat template is defined"}}, status=400)
        async with scripted(tokenize=refuse) as url:
            with pytest.raises(EngineRefused, match=r"no chat template is defined.*set model.chat to false"):
                await learn(url)

    async def test_another_model(self, engine: FakeEngineProcess) -> None:
        with pytest.raises(EngineRefused, match="model"):
            await learn(engine.url, model="other")

    async def test_a_server_without_tokenize(self) -> None:
        async with scripted() as url:
            with pytest.raises(EngineRefused, match="404"):
                await learn(url)


class TestNow:
    async def test_a_server_that_is_away_is_a_fault(self) -> None:
        with pytest.raises(EngineFault) as fault:
            await learn("http://127.0.0.1:9")
        assert not fault.value.reached

    async def test_a_server_that_answers_nonsense_is_a_fault(self) -> None:
        async with scripted(tokenize=answer("<html>busy</html>")) as url:
            with pytest.raises(EngineFault, match="no JSON"):
                await learn(url)
