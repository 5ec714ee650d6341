"""Required lexemes: a phrase names what it was asked about, in any inflected form."""

from typing import Any

import pytest

from phrasemill.corpus_file import parse_corpus
from phrasemill.engines.fake.lexicons import EN_OBJECTS
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import ShardHopeless, SpecError
from phrasemill.prompts import PromptBook
from phrasemill.rules.lexemes import LexemeRule
from phrasemill.spec import CorpusSpec
from tests.grinding import grind, quick_spec
from tests.specs import SPEC_YAML, make_spec

EN = {
    "place": [{"name": "the old ferries", "at": "on the old ferries"}, {"name": "the pier", "at": "on the pier"}],
    "object": ["a brass key", "an hourglass"],
    "trade": ["a rope maker", "a pilot"],
}
RU = {
    "place": [{"nom": "старый маяк", "at": "на старом маяке"}, {"nom": "пристань", "at": "на пристани"}],
    "object": [{"nom": "латунный ключ", "gen": "латунного ключа"}, {"nom": "день", "gen": "дня"}],
    "trade": ["смотрительница", "бондарь"],
}


def rule(language: str = "en") -> LexemeRule:
    templates = [
        {
            "name": "seen",
            "text": "{object} {place.at}" if language == "en" else "{object.nom} {place.at}",
            "required_lexemes": 2,
        },
        {"name": "free", "text": "{trade}"},
    ]
    spec = make_spec(language=language, prompts={"templates": templates, "lexicons": EN if language == "en" else RU})
    made = LexemeRule.of(spec, PromptBook(spec))
    assert made
    return made


class TestNamed:
    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("She turned the brass key on the ferry.", ["object", "place"]),
            ("Keys rusted where ferries slept.", ["object", "place"]),
            ("A brassy tune rang in the old town.", ["place"]),
            ("The keyboard was silent on a boat.", []),
        ],
    )
    def test_in_english(self, text: str, named: list[str]) -> None:
        assert rule().named(text, {"object": "a brass key", "place": "the old ferries"}) == named

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("Ключом открыли дверь маяка.", ["object", "place"]),
            ("За ключами ходили к маякам.", ["object", "place"]),
            ("Ключица болела всю ночь.", []),
            ("ЛАТУННЫЙ звон стоял над морем.", ["object"]),
        ],
    )
    def test_in_russian(self, text: str, named: list[str]) -> None:
        assert rule("ru").named(text, {"object": "латунный ключ", "place": "старый маяк"}) == named

    def test_every_form_of_the_lexicon_counts(self) -> None:
        assert rule("ru").named("Не было такого дня.", {"object": "день"}) == ["object"]

    def test_articles_and_prepositions_name_nothing(self) -> None:
        assert rule().named("The man sat on a chair.", {"object": "a brass key", "place": "the pier"}) == []

    def test_only_templates_that_require_lexemes_lack_them(self) -> None:
        slots = {"object": "a brass key", "place": "the pier"}
        assert rule().lacks("The key turned in the lock.", "seen", slots)
        assert not rule().lacks("The key turned on the pier.", "seen", slots)
        assert not rule().lacks("Nothing at all was there.", "free", {"trade": "a pilot"})


class TestCoordinates:
    @pytest.mark.parametrize(
        ("ids", "attempts"),
        [
            ([0, 1, 2, 3], [0, 0, 0, 0]),
            ([1022, 1023, 1024, 1025], [0, 0, 0, 0]),
            ([5, 6, 7], [2, 2, 2]),
            ([5, 6, 7], [1, 2, 1]),
            ([40, 7, 5000], [3, 1, 1]),
            ([9, 11, 10, 12], [1, 1, 1, 1]),
            ([9, 12, 10, 12], [1, 1, 1, 1]),
        ],
    )
    def test_they_are_the_prompt_books(self, ids: list[int], attempts: list[int]) -> None:
        spec = make_spec(sampling={"n": 2})
        book = PromptBook(spec)
        prompts = [book.prompt(*which) for which in zip(ids, attempts, strict=True)]
        assert LexemeRule(spec, book).coordinates(ids, attempts) == [(one.template, one.slots) for one in prompts]


class TestSettings:
    def test_no_more_can_be_required_than_the_template_has(self) -> None:
        text = SPEC_YAML.replace("weight: 1", "weight: 1\n      required_lexemes: 3")
        with pytest.raises(SpecError, match=r"prompts\.templates\[1\]\.required_lexemes.*has 2 slots"):
            parse_corpus(text, source="tiny.yaml")

    def test_without_a_template_that_requires_there_is_no_rule(self) -> None:
        spec = make_spec()
        assert LexemeRule.of(spec, PromptBook(spec)) is None


class TestTheMill:
    def test_phrases_that_name_too_little_are_asked_again(self, engine: FakeEngineProcess) -> None:
        half = len(EN_OBJECTS) // 2
        kinds = [{"name": f"kind {k}", "any": " ".join(EN_OBJECTS[k * half : (k + 1) * half])} for k in range(2)]
        spec = quick_prompts(
            {"name": "seen", "text": "Write one sentence of {trade} with {object.name}.", "required_lexemes": 1},
            {"object": kinds, "trade": ["a farrier", "a fletcher"]},
        )
        ground = grind(spec, [engine])
        assert 80 < ground.facts.rejects["missing_lexemes"] < 500  # about every other phrase names the wrong kind
        lexemes = LexemeRule.of(spec, PromptBook(spec))
        assert lexemes
        for row in ground.staging.rows.to_pylist():
            assert not lexemes.lacks(row["text"], row["template"], dict(row["slots"]))

    def test_phrases_that_name_nothing_make_the_shard_hopeless(self, engine: FakeEngineProcess) -> None:
        spec = quick_prompts(
            {"name": "made", "text": "Write: {trade} with {object}.", "required_lexemes": 2},
            {"object": ["a xylograph", "a quern"], "trade": ["a farrier", "a fletcher"]},
        )
        with pytest.raises(ShardHopeless, match="missing_lexemes"):
            grind(spec, [engine])


def quick_prompts(template: dict[str, Any], lexicons: dict[str, Any]) -> CorpusSpec:
    fields = quick_spec().model_dump(mode="json")
    fields["prompts"] |= {"templates": [template], "lexicons": lexicons}
    return CorpusSpec.model_validate(fields)
