"""Examples of a corpus: shown to the model, never given back by it, and held to the corpus's own rules."""

from pathlib import Path
from typing import Any

import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import SpecError
from phrasemill.rules import RuleBook, check_rules, fold
from phrasemill.spec import CorpusSpec
from tests.grinding import grind
from tests.specs import make_spec

FEW_SHOT = Path(__file__).parents[1] / "docs" / "examples"
PHRASE = "The old ferryman rang a brass bell over the quiet pier."
SHORT = "Nobody rang the bell."
RUSSIAN = "Старый паромщик звонил в медный колокол над тихим пирсом."


def with_examples(*phrases: str, **overrides: Any) -> CorpusSpec:
    examples = [{"prompt": "Name a thing.", "phrase": phrase} for phrase in phrases]
    return make_spec(prompts={"examples": examples}, **overrides)


class TestGivenBack:
    @pytest.mark.parametrize(
        "answer",
        [
            PHRASE,
            PHRASE.upper(),
            "Before dawn the old ferryman rang a small bell for us.",
            "Everybody heard him: rang a brass bell over the water and left.",
        ],
    )
    def test_it_is_an_echo(self, answer: str) -> None:
        assert RuleBook(with_examples(PHRASE, SHORT)).judge(answer).reason == "echo"

    def test_a_short_one_as_a_whole(self) -> None:
        book = RuleBook(with_examples(PHRASE, SHORT))
        assert book.judge(SHORT).reason == "echo"
        assert book.judge("Nobody rang the bell. Not even once.").reason == "echo"
        assert book.judge("Nobody rang the bell in the tower that winter.").reason is None

    def test_four_words_of_it_are_none(self) -> None:
        book = RuleBook(with_examples(PHRASE))
        assert book.judge("An old ferryman rang a horn beside the quiet pier.").reason is None

    def test_in_russian(self) -> None:
        book = RuleBook(with_examples(RUSSIAN, language="ru"))
        assert book.judge("Утром старый паромщик звонил в большой рог.").reason is None
        assert book.judge("Утром старый паромщик звонил в медный колокол.").reason == "echo"

    def test_it_is_told(self) -> None:
        _, told = RuleBook(with_examples(PHRASE, SHORT)).explain(SHORT)
        assert [one.told for one in told if one.rule == "echo"] == [repr(fold(SHORT))]

    def test_the_request_of_an_example_too(self) -> None:
        examples = [{"prompt": "Say what the gull sees there.", "phrase": PHRASE}]
        book = RuleBook(make_spec(prompts={"examples": examples}))
        assert book.judge("They say what the gull sees there is a boat.").reason == "echo"


class TestChecked:
    def test_good_ones_pass(self) -> None:
        check_rules(with_examples(PHRASE, SHORT))

    def test_every_one_that_its_rules_reject_is_named(self) -> None:
        spec = with_examples("Too short.", PHRASE, "As an AI language model, I cannot write about the pier.")
        with pytest.raises(SpecError) as told:
            check_rules(spec)
        first, second = str(told.value).splitlines()
        assert first.startswith(
            "corpus 'tiny': prompts.examples[0].phrase: 'Too short.' is what the corpus's own rules"
        )
        assert "too_short" in first
        assert "examples[2]" in second
        assert "meta" in second

    def test_two_sentences_are_more_than_a_phrase(self) -> None:
        with pytest.raises(SpecError, match=r"is more than a phrase, of which 'The old .* pier.' would be kept"):
            check_rules(with_examples(f"{PHRASE} Then it rained."))

    def test_one_that_would_be_stopped(self) -> None:
        with pytest.raises(SpecError, match=r"holds 'brass', which ends an answer"):
            check_rules(with_examples(PHRASE, sampling={"stop": ["\n", "brass"]}))

    def test_a_stop_text_may_be_a_line_end(self) -> None:
        assert make_spec(sampling={"stop": ["\n"]}).sampling.stop == ("\n",)


@pytest.mark.parametrize("name", ["few_shot_en", "few_shot_ru"])
class TestBaseModel:
    def test_its_corpus_is_sound(self, name: str) -> None:
        check_rules(load_corpus(FEW_SHOT / f"{name}.yaml"))

    def test_a_shard_of_it_is_ground(self, name: str) -> None:
        spec = load_corpus(FEW_SHOT / f"{name}.yaml")
        text = "good_ru" if spec.language == "ru" else "good"
        with FakeEngineProcess(
            model=spec.model.name, family="base", text=text, bad_modes=("continued",), bad_share=1.0
        ) as engine:
            ground = grind(spec, [engine])
            sent = engine.requests()
        assert ground.facts.accepted == spec.shard_phrases
        assert not ground.facts.rejects
        examples = "".join(f"{one.prompt}\n{one.phrase}\n\n" for one in spec.prompts.examples)
        before = f"{spec.prompts.system}\n\n{examples}"
        for request in sent[-5:]:
            body = request["body"]
            assert body["stop"] == ["\n"]
            assert body["add_special_tokens"] is True
            for prompt in body["prompt"]:
                assert prompt.startswith(before)
                assert prompt.endswith(".\n")
                assert prompt.count("\n\n") == len(spec.prompts.examples) + 1

    def test_without_stop_what_it_adds_is_cut_off(self, name: str) -> None:
        spec = load_corpus(FEW_SHOT / f"{name}.yaml")
        spec = spec.model_copy(update={"sampling": spec.sampling.model_copy(update={"stop": ()})})
        text = "good_ru" if spec.language == "ru" else "good"
        with FakeEngineProcess(
            model=spec.model.name, family="base", text=text, bad_modes=("continued",), bad_share=1.0
        ) as engine:
            ground = grind(spec, [engine])
        assert not ground.facts.rejects
        assert not any("\n" in phrase for phrase in ground.staging.rows.column("text").to_pylist())
