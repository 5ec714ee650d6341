"""The rules on Russian as it is written: abbreviations, initials, direct speech, quotes, and what must not pass."""

from pathlib import Path

import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.listing import list_request
from phrasemill.rules import RuleBook
from phrasemill.sentences import first_sentence

TEXTS = Path(__file__).parents[1] / "texts"
CORPUS = load_corpus(Path(__file__).parents[2] / "include/corpora/hyperphrases_ru.yaml")
BOOK = RuleBook(CORPUS)
HARD = (TEXTS / "hard_ru.txt").read_text("utf-8").splitlines()
BAD = [line.partition("\t")[::2] for line in (TEXTS / "bad_ru.tsv").read_text("utf-8").splitlines()]


class TestGoodSentences:
    @pytest.mark.parametrize("text", HARD)
    def test_each_passes_whole_and_alone(self, text: str) -> None:
        assert BOOK.judge(text)[:2] == (text, None)

    @pytest.mark.parametrize("text", HARD)
    def test_the_next_sentence_is_cut_off(self, text: str) -> None:
        assert BOOK.judge(f"{text} Потом стемнело.")[:2] == (text, None)


class TestBadAnswers:
    @pytest.mark.parametrize(("reason", "text"), BAD)
    def test_each_is_rejected_for_what_it_is(self, reason: str, text: str) -> None:
        assert BOOK.judge(text).reason == reason

    def test_an_english_sentence_with_a_cyrillic_letter_in_a_word_is(self) -> None:
        assert not first_is_pure("The old cаt slept on a coil of rope, and the whole harbour went on tiptoe.")

    def test_a_word_of_each_script_may_be_joined_by_a_hyphen(self) -> None:
        text = "На рентгене доктор увидел только старую пуговицу и длинно объяснил про X-лучи деду."
        assert BOOK.judge(text).reason is None


def first_is_pure(text: str) -> bool:
    english = RuleBook(load_corpus(Path(__file__).parents[2] / "include/corpora/hyperphrases_en.yaml"))
    return english.judge(text).reason != "wrong_script"


class TestCuts:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("Он помог им. Потом ушёл.", "Он помог им."),
            ("Дети ждали у школы, и он помог им. Потом ушёл.", "Дети ждали у школы, и он помог им."),
            ("Купили сахар, соль и т. д. Потом ушли.", "Купили сахар, соль и т. д."),
            ("Это был я. Никто не поверил.", "Это был я."),
            ("Он жил в д. Ивановка. Там тихо.", "Он жил в д. Ивановка."),
            ("Завод им. С. М. Кирова гудел. Утро.", "Завод им. С. М. Кирова гудел."),
            ("См. т. 2 и рис. 5 в книге. Всё там.", "См. т. 2 и рис. 5 в книге."),
            ("Пришёл П. Ильин. Сел.", "Пришёл П. Ильин."),
            ("„Пора!“ Он встал.", "Пора!"),
        ],
    )
    def test_a_sentence_ends_where_a_reader_ends_it(self, text: str, sentence: str) -> None:
        assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("count", "times"), [(2, "2 раза"), (4, "4 раза"), (5, "5 раз"), (11, "11 раз"), (13, "13 раз"), (22, "22 раза")]
)
def test_a_list_is_asked_for_with_the_right_plural(count: int, times: str) -> None:
    assert f"ниже {times}, каждый раз" in list_request("ru", count)
