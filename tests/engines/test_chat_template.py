"""The chat template, learnt from a server's /tokenize and /detokenize."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from phrasemill.engines.chat_template import (
    BARE,
    MARK,
    ChatTemplate,
    folded,
    learn_template,
    messages_before,
    plain_template,
)
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.http import EngineFault
from phrasemill.errors import EngineRefused
from phrasemill.templates import Prompts
from tests.engines.scripted import Handler, answer, scripted
from tests.specs import make_spec

pytestmark = pytest.mark.asyncio


EXAMPLE = {"prompt": "Name a bell.", "phrase": "A bell rang."}


def prompts(system: str | None = "You write.", *examples: dict[str, str]) -> Prompts:
    return make_spec(prompts={"system": system, "examples": list(examples)}).prompts


async def learn(
    url: str, *examples: dict[str, str], system: str | None = "You write.", model: str = "tiny-model"
) -> ChatTemplate:
    async with aiohttp.ClientSession() as session:
        return await learn_template(session, url, model=model, prompts=prompts(system, *examples))


def plainly(body: dict[str, Any]) -> str:
    return "".join(f"[{m['role']}]{m['content']}" for m in body["messages"]) + "[go]"


def tokenizer(
    spell: Callable[[str], str] = str, *, write: Callable[[dict[str, Any]], str | None] = plainly
) -> dict[str, Handler]:
    """A server whose tokens are code points.

    `write` is its chat template, which refuses with None; `spell` is what its detokenizer makes of a text.
    """

    async def tokenize(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        text = body.get("prompt") or write(body)
        if text is None:
            return web.json_response({"error": {"message": "not like this"}}, status=400)
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
        async with scripted(**tokenizer()) as url:
            assert await learn(url) == ChatTemplate("[system]You write.[user]", "[go]")

    async def test_braces_and_percent_signs_in_a_message_stay(self) -> None:
        assert ChatTemplate("<", ">").render("100 % {a} %s") == "<100 % {a} %s>"


class TestExamples:
    async def test_they_are_earlier_turns(self) -> None:
        async with scripted(**tokenizer()) as url:
            template = await learn(url, EXAMPLE, EXAMPLE)
        turn = "[user]Name a bell.[assistant]A bell rang."
        assert template == ChatTemplate(f"[system]You write.{turn}{turn}[user]", "[go]")

    async def test_a_template_that_forgets_them_is_refused(self) -> None:
        def forgetful(body: dict[str, Any]) -> str:
            return plainly({"messages": [m for m in body["messages"] if m["role"] != "assistant"]})

        async with scripted(**tokenizer(write=forgetful)) as url:
            with pytest.raises(EngineRefused, match=r"leaves out 'A bell rang.'"):
                await learn(url, EXAMPLE)

    async def test_one_that_trims_and_folds_space_is_not(self) -> None:
        def trimming(body: dict[str, Any]) -> str:
            return " ".join(plainly(body).split())

        async with scripted(**tokenizer(write=trimming)) as url:
            template = await learn(url, {"prompt": "Name  a\nbell.", "phrase": "A bell rang."})
        assert template.before == "[system]You write.[user]Name a bell.[assistant]A bell rang.[user]"


class TestSystemTextWithoutAPlace:
    async def test_refused_it_goes_into_the_first_user_message(self) -> None:
        def without_role(body: dict[str, Any]) -> str | None:
            return None if body["messages"][0]["role"] == "system" else plainly(body)

        async with scripted(**tokenizer(write=without_role)) as url:
            assert await learn(url) == ChatTemplate("[user]You write.\n\n", "[go]")
            before = "[user]You write.\n\nName a bell.[assistant]A bell rang.[user]"
            assert await learn(url, EXAMPLE) == ChatTemplate(before, "[go]")

    async def test_left_out_too(self) -> None:
        def deaf(body: dict[str, Any]) -> str:
            return plainly({"messages": [m for m in body["messages"] if m["role"] != "system"]})

        async with scripted(**tokenizer(write=deaf)) as url:
            assert await learn(url) == ChatTemplate("[user]You write.\n\n", "[go]")

    async def test_left_out_wherever_it_stands_is_refused(self) -> None:
        async with scripted(**tokenizer(write=lambda _: f"[user]{MARK}[go]")) as url:
            with pytest.raises(EngineRefused, match=r"leaves out 'You write.'"):
                await learn(url)


class TestThinking:
    async def test_it_is_switched_off(self) -> None:
        def thinking(body: dict[str, Any]) -> str:
            return plainly(body) + ("" if body["chat_template_kwargs"]["enable_thinking"] else "<think></think>")

        async with scripted(**tokenizer(write=thinking)) as url:
            assert (await learn(url)).after == "[go]<think></think>"

    async def test_a_server_that_takes_no_arguments_is_asked_without(self) -> None:
        def strict(body: dict[str, Any]) -> str | None:
            return None if "chat_template_kwargs" in body else plainly(body)

        async with scripted(**tokenizer(write=strict)) as url:
            assert await learn(url) == ChatTemplate("[system]You write.[user]", "[go]")

    @pytest.mark.parametrize(
        ("end", "after"),
        [
            ("<think>\n", "<think>\n\n</think>\n\n"),
            ("<|start|>assistant", "<|start|>assistant<|channel|>final<|message|>"),
            ("<|im_start|>assistant\n", "<|im_start|>assistant\n"),
            ("<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ],
    )
    async def test_a_template_that_ends_inside_it_is_ended(self, end: str, after: str) -> None:
        async with scripted(**tokenizer(write=lambda body: plainly(body) + end)) as url:
            assert (await learn(url)).after == f"[go]{after}"


class TestWithoutATemplate:
    async def test_examples_are_texts_one_after_the_other(self) -> None:
        template = plain_template(prompts("You write.", EXAMPLE, EXAMPLE))
        shown = "Name a bell.\nA bell rang.\n\n"
        assert template.render("Scene 1.") == f"You write.\n\n{shown}{shown}Scene 1.\n"

    async def test_examples_alone(self) -> None:
        assert plain_template(prompts(None, EXAMPLE)).render("A") == "Name a bell.\nA bell rang.\n\nA\n"

    async def test_a_prompt_that_is_written_whole_stays_as_it_is(self) -> None:
        assert plain_template(prompts(None)) == BARE


class TestForChatServers:
    async def test_messages(self) -> None:
        turns = [{"role": "user", "content": "Name a bell."}, {"role": "assistant", "content": "A bell rang."}]
        given = prompts("You write.", EXAMPLE)
        assert messages_before(given, system=True) == [{"role": "system", "content": "You write."}, *turns]
        assert messages_before(given, system=False) == turns
        assert messages_before(prompts(None), system=True) == []

    async def test_system_text_in_front_of_the_request(self) -> None:
        assert folded(prompts()).render("Scene 1.") == "You write.\n\nScene 1."
        assert folded(prompts(None)) == BARE


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
