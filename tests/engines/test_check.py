"""The engines' part of preflight: who serves, who is silent, who is the wrong one; in seconds."""

import time

import pytest

from phrasemill.engines.check import check_engines
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import EngineRefused, EnginesDown
from tests.engines.scripted import answer, scripted
from tests.specs import make_spec

pytestmark = pytest.mark.asyncio
NOBODY = "http://127.0.0.1:9"


class TestServing:
    async def test_engines_that_serve_the_model(self, engines: list[FakeEngineProcess]) -> None:
        check = await check_engines([f"{engine.url}/v1/" for engine in engines], make_spec())
        assert check.serving == [engine.url for engine in engines]
        assert check.silent == {}
        assert check.template.before.endswith("<|im_start|>user\n")

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
        assert check.template.render("as it is") == "as it is"

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
        with pytest.raises(EnginesDown, match="chat template"):
            await check_engines([engine.url], make_spec(), answer_s=0.5)
        assert time.monotonic() - started < 20
