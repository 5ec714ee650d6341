"""The engines' part of preflight: who serves, who is silent, who is the wrong one; in seconds."""

import asyncio
import time

import pytest
from aiohttp import web

from phrasemill.engines.check import check_engines
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import EngineRefused, EnginesDown
from tests.engines.names import UNKNOWN, Names, engines_at
from tests.engines.scripted import Handler, answer, scripted
from tests.engines.test_probing import chat_server
from tests.specs import make_spec

pytestmark = pytest.mark.asyncio
NOBODY = "http://127.0.0.1:9"


class TestServing:
    async def test_engines_that_serve_the_model(self, engines: list[FakeEngineProcess]) -> None:
        check = await check_engines([f"{engine.url}/v1/" for engine in engines], make_spec())
        assert check.serving == [engine.url for engine in engines]
        assert check.silent == {}
        assert check.backend.template.before.endswith("<|im_start|>user\n")

    async def test_a_silent_one_is_named_with_the_reason(self, engine: FakeEngineProcess) -> None:
        check = await check_engines([NOBODY, engine.url], make_spec())
        assert check.serving == [engine.url]
        assert list(check.silent) == [NOBODY]
        assert "Connect" in check.silent[NOBODY]

    async def test_an_adapter_beside_its_model(self) -> None:
        with FakeEngineProcess(model="tiny-model", lora=("harbour",)) as engine:
            check = await check_engines([engine.url], make_spec(model={"adapter": "harbour"}))
        assert check.serving == [engine.url]

    async def test_a_base_model_needs_no_template(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=500, path="/tokenize")
        check = await check_engines([engine.url], make_spec(model={"chat": False}))
        assert check.backend.template.render("as it is").endswith("as it is\n")

    async def test_the_right_key(self) -> None:
        with FakeEngineProcess(model="tiny-model", api_key="right") as engine:
            assert (await check_engines([engine.url], make_spec(), api_key="right")).serving
            with pytest.raises(EngineRefused, match="check the API key"):
                await check_engines([engine.url], make_spec(), api_key="wrong")


class TestRefused:
    async def test_no_url(self) -> None:
        with pytest.raises(EngineRefused, match="no engine URL is given"):
            await check_engines([], make_spec())

    async def test_one_that_serves_another_model_names_both(self, engines: list[FakeEngineProcess]) -> None:
        engines[1].faults(mode="other_model", model="other")
        with pytest.raises(EngineRefused) as error:
            await check_engines([engine.url for engine in engines], make_spec())
        assert str(error.value) == (
            f"{engines[1].url}: serves other, not the model 'tiny-model' that corpus 'tiny' names; "
            "start the engine with it, or correct model.name"
        )

    async def test_a_missing_adapter(self, engine: FakeEngineProcess) -> None:
        with pytest.raises(EngineRefused, match=r"not the adapter 'harbour'.*correct model.adapter"):
            await check_engines([engine.url], make_spec(model={"adapter": "harbour"}))

    @pytest.mark.parametrize("body", ["<html>a web site</html>", {"data": None}, {"models": []}, [], {"data": [5]}])
    async def test_something_that_is_no_engine(self, body: object) -> None:
        async with scripted(v1__models=answer(body)) as url:
            with pytest.raises(EngineRefused, match="OpenAI-compatible engine"):
                await check_engines([url], make_spec())


class TestModelLists:
    async def test_a_bare_list_is_one(self) -> None:
        async with scripted(v1__models=answer([{"id": "other"}]), v1__chat__completions=chat_server()) as url:
            check = await check_engines([url], make_spec())
        assert "has a list of models without 'tiny-model', but answers" in check.backend.line()

    @pytest.mark.parametrize("status", [403, 404])
    async def test_a_key_that_may_not_list_models_may_ask_one(self, status: int) -> None:
        async with scripted(
            v1__models=answer({"error": "scopes"}, status=status), v1__chat__completions=chat_server()
        ) as url:
            check = await check_engines([url], make_spec())
        assert "no list of models that this key may see" in check.backend.line()

    async def test_without_a_list_the_refusal_itself_is_told(self) -> None:
        refusing = chat_server(lambda _body: "temperature must be 1")
        async with scripted(v1__chat__completions=refusing) as url:
            with pytest.raises(EngineRefused, match="temperature must be 1"):
                await check_engines([url], make_spec())


class TestMixed:
    @pytest.mark.parametrize(
        "other",
        [
            chat_server(most_answers=1),
            chat_server(lambda body: "use max_completion_tokens" if "max_tokens" in body else None),
        ],
    )
    async def test_engines_that_differ_in_what_they_take_are_refused(self, other: Handler) -> None:
        async with scripted(a__v1__chat__completions=chat_server(), b__v1__chat__completions=other) as url:
            with pytest.raises(EngineRefused, match="cannot be asked in the same way"):
                await check_engines([f"{url}/a", f"{url}/b"], make_spec(sampling={"n": 2}))


class TestNames:
    async def test_a_name_is_all_engines_behind_it(self) -> None:
        with engines_at("127.0.0.1", "127.0.0.2") as engines:
            source = f"dns+http://engines:{engines[0].url.rsplit(':', 1)[1]}/v1"
            check = await check_engines([source], make_spec(), look_up=Names(["127.0.0.2", "127.0.0.1"]))
            assert check.serving == [engine.url for engine in engines]

    async def test_one_that_cannot_be_looked_up_is_left_out_when_others_serve(self, engine: FakeEngineProcess) -> None:
        check = await check_engines(["dns+http://gone:8000", engine.url], make_spec(), look_up=Names(error=UNKNOWN))
        assert check.serving == [engine.url]
        assert "the name gone cannot be looked up" in check.silent["dns+http://gone:8000"]

    async def test_with_nothing_else_it_is_an_outage_in_one_line(self) -> None:
        with pytest.raises(EnginesDown) as down:
            await check_engines(["dns+http://gone:8000"], make_spec(), look_up=Names(error=UNKNOWN))
        assert str(down.value) == (
            "no engine answers (dns+http://gone:8000: the name gone cannot be looked up (Name or service not known)); "
            "start them, or correct the URLs"
        )


class TestMany:
    async def test_a_hundred_that_are_silent_do_not_keep_one_waiting_that_serves(self) -> None:
        asked = asyncio.Event()

        async def answer_when_all_are_asked(request: web.Request) -> web.Response:
            if request.path == "/last/v1/models":
                asked.set()
                return web.json_response({"data": [{"id": "tiny-model"}]})
            await asked.wait()
            return web.Response(status=503)

        paths = {f"{number}__v1__models": answer_when_all_are_asked for number in (*range(120), "last")}
        many = [{"index": place, "text": "Well.", "finish_reason": "length"} for place in range(8)]
        paths["last__v1__completions"] = answer({"choices": many})
        async with scripted(**paths) as url:
            urls = [f"{url}/{number}" for number in (*range(120), "last")]
            spec = make_spec(model={"chat": False}, engines={"list_size": 8})
            check = await check_engines(urls, spec, answer_s=5)
        assert check.serving == [f"{url}/last"]
        assert all("HTTP 503" in why for why in check.silent.values())


class TestDown:
    async def test_nobody_answers(self) -> None:
        with pytest.raises(EnginesDown, match=f"no engine answers.*{NOBODY}.*start them, or correct the URLs"):
            await check_engines([NOBODY], make_spec())

    async def test_an_engine_that_hangs_is_given_up_in_seconds(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="hang", path="/v1/models")
        started = time.monotonic()
        with pytest.raises(EnginesDown):
            await check_engines([engine.url], make_spec(), answer_s=0.5)
        assert time.monotonic() - started < 20

    async def test_a_template_that_hangs_is_given_up_in_seconds(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="hang", path="/tokenize")
        started = time.monotonic()
        with pytest.raises(EnginesDown, match=r"within 0\.5 s how it can be asked"):
            await check_engines([engine.url], make_spec(), how_s=0.5)
        assert time.monotonic() - started < 20
