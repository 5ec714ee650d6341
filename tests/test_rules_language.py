"""The language rule: other languages of the same script are caught, good phrases seldom need the model."""

from pathlib import Path

import pytest

from phrasemill.engines.fake.text import TextMaker
from phrasemill.rules import RuleBook
from phrasemill.rules.language import LanguageRule, scores
from phrasemill.rules.phrase import Phrase
from tests.specs import make_spec

TEXTS = Path(__file__).parent / "texts"


def lines(name: str) -> list[str]:
    return (TEXTS / f"{name}.txt").read_text("utf-8").splitlines()


FOREIGN = [line.partition("\t")[::2] for line in lines("foreign")]
GOOD = [(language, text) for language in ("en", "ru") for text in lines(f"good_{language}")]
CORPUS_OF = {"de": "en", "fr": "en", "es": "en", "it": "en", "nl": "en", "uk": "ru", "be": "ru", "bg": "ru", "sr": "ru"}
BOOKS = {language: RuleBook(make_spec(language=language)) for language in ("en", "ru")}


class TestOtherLanguages:
    @pytest.mark.parametrize(("language", "text"), FOREIGN)
    def test_they_are_rejected(self, language: str, text: str) -> None:
        assert BOOKS[CORPUS_OF[language]].judge(text).reason in {"wrong_language", "wrong_script"}

    def test_each_is_there_more_than_once(self) -> None:
        assert set(CORPUS_OF) == {language for language, _ in FOREIGN}
        assert min(sum(language == one for language, _ in FOREIGN) for one in CORPUS_OF) >= 3

    @pytest.mark.parametrize(("language", "mode"), [("en", "good"), ("ru", "good_ru")])
    def test_the_fake_engines_wrong_languages_are_rejected(self, language: str, mode: str) -> None:
        maker = TextMaker(seed=1, text=mode)
        texts = [maker.in_mode("wrong_language", serial, prompt="").text for serial in range(300)]
        reasons = {BOOKS[language].judge(text).reason for text in texts}
        assert reasons <= {"wrong_language", "wrong_script", "repetition"}
        assert "wrong_language" in reasons


class TestTheCorpussOwn:
    @pytest.mark.parametrize(("language", "text"), GOOD)
    def test_it_passes_the_model_too(self, language: str, text: str) -> None:
        assert scores(text)[language] > 0.5

    @pytest.mark.parametrize(("language", "mode"), [("en", "good"), ("ru", "good_ru")])
    def test_nearly_all_of_it_never_meets_the_model(self, language: str, mode: str) -> None:
        rule = LanguageRule(language, 0.3)
        maker = TextMaker(seed=2, text=mode)
        clear = [rule.is_clear(Phrase(maker.answer(serial, "").text)) for serial in range(2000)]
        assert sum(clear) / len(clear) > 0.97

    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_nine_in_ten_written_by_hand_neither(self, language: str) -> None:
        rule = LanguageRule(language, 0.3)
        clear = [rule.is_clear(Phrase(text)) for own, text in GOOD if own == language]
        assert sum(clear) / len(clear) >= 0.9

    def test_two_words_of_english_in_a_german_sentence_are_needed_to_be_sure(self) -> None:
        rule = LanguageRule("en", 0.3)
        assert not rule.is_clear(Phrase("Der alte Mann las die Times und the old book war in der Tasche."[:30]))
        assert rule.is_clear(Phrase("He read the paper to the old man."))

    def test_a_ukrainian_letter_leaves_a_doubt(self) -> None:
        rule = LanguageRule("ru", 0.3)
        assert rule.is_clear(Phrase("Старый сторож слушал, как туман ложится на гавань."))
        assert not rule.is_clear(Phrase("Старый сторож слухав, як туман лягає на гавань."))


class TestSettings:
    ODD = "The polka tango samba bolero mambo rumba."

    def test_the_least_score_is_the_corpuss(self) -> None:
        score = scores(self.ODD)["en"]
        assert 0.05 < score < 0.95
        lenient = make_spec(rules={"min_language_score": 0.0})
        strict = make_spec(rules={"min_language_score": min(1.0, score + 0.02)})
        assert RuleBook(strict).judge(self.ODD).reason == "wrong_language"
        assert RuleBook(lenient).judge(self.ODD).reason is None

    def test_it_can_be_off(self) -> None:
        german = "Der alte Leuchtturmwärter zog die Uhr auf und lauschte dem Nebel."
        assert RuleBook(make_spec(rules={"off": ["wrong_language"]})).judge(german).reason is None
