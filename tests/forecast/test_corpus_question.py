"""A corpus file as a question of the forecast."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from phrasemill.corpus_file import load_corpus
from phrasemill.forecast.book import shipped_book
from phrasemill.forecast.corpus_question import ModelUnknown, book_model, question_of
from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import Evidence, Measured, Question
from phrasemill.prompts import PromptBook
from phrasemill.ranges import Range
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec

CORPORA = Path(__file__).parents[2] / "include" / "corpora"
QWEN = "Qwen/Qwen2.5-1.5B-Instruct"


def corpus(**changes: Any) -> CorpusSpec:
    return make_spec(**({"model": {"name": QWEN}} | changes))


class TestFields:
    def test_they_are_the_corpus_file_s(self) -> None:
        spec = corpus(
            oversample=0.5,
            sampling={"n": 2, "phrases_per_prompt": 2},
            model={"name": QWEN, "adapter": "tales"},
            price={"per_gpu_hour": 2.5, "gpus": 3},
        )
        asked = question_of(spec)
        assert asked.target.phrases == 240
        assert (asked.language, asked.model, asked.lora) == ("en", "qwen2.5-1.5b", True)
        assert (asked.n, asked.oversample, asked.shards) == (4, 0.5, 6)
        assert (asked.gpus, asked.gpu, asked.price) == (3, "80gb-hopper", spec.price)
        assert asked.phrase_chars == Range(low=72.5, likely=90, high=107.5)

    def test_changes_go_before_them(self) -> None:
        asked = question_of(corpus(), gpus=2, gpu="48gb", hours_a_night=6, target={"text_bytes": 1e9}, phrase_chars=50)
        assert (asked.gpus, asked.gpu, asked.hours_a_night) == (2, "48gb", 6)
        assert (asked.target.text_bytes, asked.phrase_chars) == (1e9, Range.exactly(50))

    def test_its_price_of_a_gpu_hour_holds_for_other_gpus_and_for_no_hosted_api(self) -> None:
        spec = corpus(price={"per_gpu_hour": 2.5, "gpus": 3})
        asked = question_of(spec, gpus=4)
        assert asked.price is not None
        assert (asked.gpus, asked.price.per_gpu_hour, asked.price.gpus) == (4, 2.5, 1)
        assert question_of(spec, gpu="hosted", streams=1, tokens_per_s_per_stream=3, gpus=1).price is None

    def test_a_change_that_is_no_field_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="gpuz"):
            question_of(corpus(), gpuz=2)

    def test_what_was_measured_is_left_to_the_evidence(self) -> None:
        measured = Measured(value=Range.exactly(77), source="12 shards")
        evidence = Evidence(chars_per_phrase=measured, prompt_tokens_per_output=measured)
        asked = question_of(corpus(), evidence=evidence)
        assert (asked.phrase_chars, asked.prompt_tokens) == (None, None)
        told = forecast(asked, evidence=evidence)
        assert told.chars.likely == pytest.approx(240 * 77)

    @pytest.mark.parametrize("name", ["demo", "hyperphrases_en", "hyperphrases_ru"])
    def test_every_shipped_corpus_has_a_forecast(self, name: str) -> None:
        spec = load_corpus(CORPORA / f"{name}.yaml")
        told = forecast(question_of(spec))
        assert told.phrases.likely == pytest.approx(spec.target_phrases * (1 + spec.oversample))
        assert 0 < told.busy_s.low < told.busy_s.likely < told.busy_s.high


class TestPromptTokens:
    @pytest.mark.parametrize(("name", "counted"), [("demo", 67), ("hyperphrases_en", 99), ("hyperphrases_ru", 151)])
    def test_what_tokenizers_counted_lies_in_the_range(self, name: str, counted: int) -> None:
        tokens = question_of(load_corpus(CORPORA / f"{name}.yaml")).prompt_tokens
        assert tokens is not None
        assert tokens.low <= counted <= tokens.high
        assert tokens.likely == pytest.approx(counted, rel=0.1)

    def test_a_base_model_has_no_chat_template_around_its_prompt(self) -> None:
        chat = question_of(corpus()).prompt_tokens
        base = question_of(corpus(model={"name": QWEN, "chat": False})).prompt_tokens
        assert chat is not None
        assert base is not None
        assert chat.likely - base.likely == pytest.approx(13)

    def test_examples_and_their_turns_count(self) -> None:
        example = {"prompt": "A bell at dusk.", "phrase": "A bell rang over the quiet pier at dusk."}
        none, two = question_of(corpus()), question_of(corpus(prompts={"examples": [example, example]}))
        assert none.prompt_tokens is not None
        assert two.prompt_tokens is not None
        chars = 2 * sum(map(len, example.values()))
        told = chars / shipped_book().constant("chars_per_token", "qwen", "en").value.likely
        assert two.prompt_tokens.likely - none.prompt_tokens.likely == pytest.approx(2 * 13 + told)

    def test_the_request_for_a_list_counts(self) -> None:
        one, four = corpus(), corpus(sampling={"phrases_per_prompt": 4})
        longer = len(PromptBook(four).prompt(0).text) - len(PromptBook(one).prompt(0).text)
        assert longer > 100
        short, long = question_of(one).prompt_tokens, question_of(four).prompt_tokens
        assert short is not None
        assert long is not None
        assert long.likely > short.likely + longer / 6


class TestModel:
    @pytest.mark.parametrize(
        ("served", "name"),
        [
            (QWEN, "qwen2.5-1.5b"),
            ("qwen2.5-1.5b", "qwen2.5-1.5b"),
            ("SmolLM2-135M-Instruct", "smollm2-135m"),
            ("mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b"),
        ],
    )
    def test_it_is_found_by_its_name_with_or_without_its_owner(self, served: str, name: str) -> None:
        assert book_model(served, book=shipped_book()) == name

    def test_another_one_counts_as_the_first_of_its_size(self) -> None:
        book = shipped_book()
        found = book_model("Open-Orca/Mistral-7B-OpenOrca", book=book)
        assert found == next(name for name, entry in book.models.items() if entry.size == "7b")

    def test_the_smallest_class_is_taken_to_run_on_a_cpu(self) -> None:
        assert question_of(corpus(model={"name": "SmolLM2-135M-Instruct"})).gpu == "cpu"
        assert question_of(corpus(model={"name": "SmolLM2-135M-Instruct"}), gpu="24gb").gpu == "24gb"

    def test_one_that_nothing_is_known_of_is_an_error_that_names_the_known_ones(self) -> None:
        with pytest.raises(ModelUnknown, match=r"nothing of the model tiny-model .*qwen2\.5-1\.5b"):
            question_of(make_spec())

    def test_unless_a_model_of_the_book_is_named_for_it(self) -> None:
        assert isinstance(question_of(make_spec(), model="qwen2.5-7b"), Question)
