"""Chat templates by family of models: what is learnt of each, and that a shard is ground with it."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import jinja2
import pytest
import yaml

from phrasemill.engines.chat_template import learn_template, messages_before, plain_template
from phrasemill.engines.fake.families import NO_TEMPLATE, families
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.fake.settings import FakeEngineError
from phrasemill.errors import EngineRefused
from phrasemill.templates import Prompts
from tests.grinding import grind, quick_spec
from tests.specs import make_spec

TEXTS = yaml.safe_load(Path(__file__).with_name("family_texts.yaml").read_text(encoding="utf-8"))
EXAMPLES = [{"prompt": "Name a bell.", "phrase": "A bell rang."}]
FULL = make_spec(prompts={"system": "You write.", "examples": EXAMPLES}).prompts
BARE = make_spec(prompts={"system": None}).prompts
PLAIN = plain_template(FULL).render("Scene 1.")


@dataclass(frozen=True)
class Served:
    """A fake engine whose model is of one family."""

    family: str
    engine: FakeEngineProcess


@pytest.fixture(params=TEXTS, scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with FakeEngineProcess(model="tiny-model", family=request.param) as engine:
        yield Served(request.param, engine)


def rendered(engine: FakeEngineProcess, prompts: Prompts) -> str:
    """The prompt that asks for "Scene 1.", in the template that is learnt."""

    async def learn() -> str:
        async with aiohttp.ClientSession() as session:
            template = await learn_template(session, engine.url, model="tiny-model", prompts=prompts)
        return template.render("Scene 1.")

    return asyncio.run(learn())


def test_the_template_for_saiga_in_the_docs_gives_its_text() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    source = page.partition("```jinja\n")[2].partition("\n```")[0]
    messages = [*messages_before(FULL, system=True), {"role": "user", "content": "Scene 1."}]
    rendered = jinja2.Template(source).render(messages=messages, add_generation_prompt=True)
    assert rendered == TEXTS["saiga_mistral"]["full"]


def test_every_family_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in families())


def test_every_family_has_its_texts() -> None:
    assert TEXTS.keys() == families().keys()


class TestEveryFamily:
    def test_with_system_text_and_examples(self, served: Served) -> None:
        prompt = PLAIN if served.family == NO_TEMPLATE else rendered(served.engine, FULL)
        assert prompt == TEXTS[served.family]["full"]

    def test_without(self, served: Served) -> None:
        if served.family == NO_TEMPLATE:
            assert plain_template(BARE).render("Scene 1.") == TEXTS[served.family]["bare"]
        else:
            assert rendered(served.engine, BARE) == TEXTS[served.family]["bare"]

    def test_a_shard_is_ground_with_it(self, served: Served) -> None:
        spec = quick_spec(
            shard_phrases=80,
            model={"chat": served.family != NO_TEMPLATE},
            prompts={"system": "You write.", "examples": EXAMPLES},
        )
        assert grind(spec, [served.engine]).facts.accepted == 80
        before = TEXTS[served.family]["full"].partition("Scene 1.")[0]
        sent = [prompt for request in served.engine.requests() for prompt in request["body"]["prompt"]]
        assert sum(prompt.startswith(f"{before}Write one sentence.") for prompt in sent) >= 80


class TestToldInTheLog:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("gemma_2", "takes no system message"),
            ("phi_3", "takes no system message"),
            ("deepseek_r1", "lets the model think first"),
            ("gpt_oss", "lets the model think first"),
        ],
    )
    def test_what_is_done_instead(self, name: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
        with FakeEngineProcess(model="tiny-model", family=name) as engine, caplog.at_level(logging.INFO):
            rendered(engine, FULL)
        assert [words in message for message in caplog.messages] == [True]

    def test_nothing_for_a_template_that_takes_it_all(
        self, engine: FakeEngineProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="phrasemill"):
            rendered(engine, FULL)
        assert not caplog.messages


class TestRefused:
    def test_a_base_model_has_nothing_to_learn(self) -> None:
        refused = pytest.raises(EngineRefused, match=r"default chat template.*set model.chat to false")
        with FakeEngineProcess(model="tiny-model", family="base") as engine, refused:
            rendered(engine, FULL)

    def test_a_family_that_nobody_knows(self) -> None:
        with pytest.raises(FakeEngineError, match=r"family 'llama9' is unknown; the families are chatml, "):
            FakeEngineProcess(family="llama9")


class TestLastUserTurn:
    @pytest.mark.parametrize("name", TEXTS)
    def test_it_is_found_in_the_familys_prompt(self, name: str) -> None:
        turn = families()[name].last_user_turn(TEXTS[name]["full"])
        assert turn.removeprefix("You write.\n\n") == "Scene 1."

    def test_a_prompt_without_turns_is_all_the_user_said(self) -> None:
        assert families()["chatml"].last_user_turn("Scene 1.") == "Scene 1."
