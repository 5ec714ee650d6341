from pathlib import Path

import pytest

from phrasemill.sentences import first_sentence

TEXTS = Path(__file__).parent / "texts"
GOOD = [line for name in ("good_en.txt", "good_ru.txt") for line in (TEXTS / name).read_text("utf-8").splitlines()]


class TestWholeAnswers:
    @pytest.mark.parametrize("sentence", GOOD)
    def test_a_good_sentence_is_taken_as_it_is(self, sentence: str) -> None:
        assert first_sentence(sentence) == sentence

    @pytest.mark.parametrize("sentence", GOOD)
    def test_what_follows_is_left_out(self, sentence: str) -> None:
        if not sentence.endswith(("...", "…")):
            assert first_sentence(f"{sentence} Another sentence follows. And one mo") == sentence
            assert first_sentence(f"{sentence}\n\nДальше идёт другой абзац.") == sentence

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "   ",
            "no mark at the end",
            "The gulls rose over the",
            "Ветер стих над",
            "— ",
            '"',
            "''",
            "“”",
            "()",
            ",",
        ],
    )
    def test_a_fragment_is_none(self, answer: str) -> None:
        assert first_sentence(answer) is None


class TestWhereASentenceEnds:
    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            ("The tide rose. The gulls left.", "The tide rose."),
            ("Did it rise? It did.", "Did it rise?"),
            ("It rose! It fell.", "It rose!"),
            ("It rose?! It fell.", "It rose?!"),
            ("And then… Silence fell.", "And then…"),
            ("And then... Silence fell.", "And then..."),
            ("The sea... was calm. Then not.", "The sea... was calm."),
            ("Ветер стих… и поднялся снова. Потом стих.", "Ветер стих… и поднялся снова."),
            ("Oh! what a night it was. Yes.", "Oh! what a night it was."),
            ("The tide rose 3.5 metres. It fell.", "The tide rose 3.5 metres."),
            ("Она пришла. Он ушёл.", "Она пришла."),
            ("She said no. He left.", "She said no."),
            ("Она помогла им. Они ушли.", "Она помогла им."),
            ("It closed at 5 p.m. The bells rang.", "It closed at 5 p.m."),
            ("The tide rose.\nThe gulls left.", "The tide rose."),
            ("The tide rose.  ", "The tide rose."),
            ("The tide rose (slowly). It fell.", "The tide rose (slowly)."),
        ],
    )
    def test_at_its_mark(self, answer: str, sentence: str) -> None:
        assert first_sentence(answer) == sentence

    @pytest.mark.parametrize(
        "sentence",
        [
            "Dr. Hale and Mrs. Penhale met St. Elmo and Capt. Roe.",
            "At No. 12 the curtains stayed closed.",
            "Fr. Roe lent Vol. 3 to Messrs. Pike & Sons.",
            "Инж. Лосеву было ок. 40 лет.",
            "J. R. Hale wrote to A. Penhale.",
            "The U.S. Navy passed at dawn.",
            "Проф. Ветров жил на ул. Мельничной, кв. Семь.",
            "А. С. Ветров приехал в 1990 г. Осенью.",
            "Он взял верёвку, т.е. Канат, и ушёл.",
        ],
    )
    def test_not_at_an_abbreviation(self, sentence: str) -> None:
        assert first_sentence(f"{sentence} Then it rained.") == sentence

    @pytest.mark.parametrize("sentence", ["He met the Rev.", "Это было в 1990 г."])
    def test_an_abbreviation_may_end_the_answer(self, sentence: str) -> None:
        assert first_sentence(sentence) == sentence


class TestDialogue:
    @pytest.mark.parametrize(
        "sentence",
        [
            "— Ты куда? — спросил он и погасил лампу.",
            "– Пора домой! – крикнула она с крыльца.",
            "«Где лодка?» — спросил старик.",
            "«Ну что, — сказал мельник, — будем молоть?»",
            "«Пора! — крикнул лоцман. — Отходим!»",
            "«Где лодка? Где весло?» — спросил старик.",
            '"Where is the boat?" she asked.',
            '"Where is it? Where?" she asked.',
            "“Stop! Go home!” cried the baker.",
            '"Come," he said, "and see."',
            "'Come,' he said, 'and see.'",
            'He said, "Stop. Turn round."',
            "Старик сказал: «Стой. Вернись».",
            "Он сказал: „Стой. Вернись“.",
            "She left (it was late. Very late) at dawn.",
        ],
    )
    def test_a_quotation_stays_whole(self, sentence: str) -> None:
        assert first_sentence(f"{sentence} Then it rained.") == sentence

    @pytest.mark.parametrize(
        "answer",
        ['He said, "Stop. Turn round.', "Он сказал: «Стой. Вернись.", "He left (it was late.", "“Go,” he said, “now."],
    )
    def test_a_quotation_that_never_ends_is_no_sentence(self, answer: str) -> None:
        assert first_sentence(answer) is None


class TestWrapping:
    @pytest.mark.parametrize(
        "answer",
        [
            '"The tide rose at last."',
            "“The tide rose at last.”",
            "«The tide rose at last.»",
            "„The tide rose at last.“",
            "'The tide rose at last.'",
            "‘The tide rose at last.’",
            '"The tide rose at last.',
            "*The tide rose at last.*",
            "**The tide rose at last.**",
            "_The tide rose at last._",
            "  \n The tide rose at last. \n",
            '"The tide rose at last." The gulls left.',
            'The tide rose at last." The gulls left.',
            "The tide rose at last.»",
            "Scene number 12: The tide rose at last.",
            "Scene number 12: “The tide rose at last.”",
            "scene 12 - The tide rose at last.",
            "Scene #12. The tide rose at last.",
            "Scene 12) The tide rose at last.",
            "**Scene 12:** The tide rose at last.",
            "### Scene 12:\n\nThe tide rose at last.",
            "Sentence: The tide rose at last.",
            'Answer: "The tide rose at last."',
            "OUTPUT:\nThe tide rose at last.",
            "**Final answer:** The tide rose at last.",
            "Сцена номер 3: The tide rose at last.",
            "Сцена № 3. The tide rose at last.",
            "Предложение: The tide rose at last.",
            "Ответ:\nThe tide rose at last.",
            "Answer: Scene 3: The tide rose at last.",
            "[Scene 3] The tide rose at last.",
            "Scene 3\nThe tide rose at last.",
            "Description: The tide rose at last.",
            "**Sentence:** “The tide rose at last.”",
            "Вариант 1: The tide rose at last.",
            "Описание: The tide rose at last.",
            "The tide\nrose  at\tlast.",
            "The tide\u00a0rose at last.",
        ],
    )
    def test_it_is_taken_off(self, answer: str) -> None:
        assert first_sentence(answer) == "The tide rose at last."

    @pytest.mark.parametrize(
        "sentence",
        [
            "Ответ — тишина.",
            "Сцена – это только доски.",
            "Scene by scene the play fell apart.",
            "Answering took an hour.",
            "Result or not, the tide rose.",
            "Description fails where the tide rose.",
            "Вариантов было немного.",
            "Output fell that year.",
            "The keeper's lamp burned.",
            "'Twas the keeper's lamp that burned.",
            "“Come,” he said, “and see.”",
        ],
    )
    def test_what_only_looks_like_it_stays(self, sentence: str) -> None:
        assert first_sentence(sentence) == sentence

    def test_a_single_quoted_sentence_may_hold_apostrophes(self) -> None:
        assert first_sentence("'The keeper's lamp burned.'") == "The keeper's lamp burned."

    def test_a_title_before_the_sentence_makes_it_none(self) -> None:
        assert first_sentence("The Lighthouse\n\nThe tide rose at last.") is None

    def test_a_list_keeps_its_numbers_for_the_markup_rule(self) -> None:
        assert first_sentence("1. The tide rose.\n2. The gulls left.") == "1. The tide rose."


class TestHostileText:
    @pytest.mark.parametrize(
        "answer",
        [
            "a" * 2000,
            "!" * 2000,
            "!" * 2000 + "a",
            ". " * 1000,
            ".a" * 1000,
            '"' * 2000,
            '"' + "a. B " * 400,
            "(" * 2000 + ".",
            " " * 2000 + ".",
            "." + " " * 2000 + "a",
            "— " * 1000,
            "A. " * 700,
            "\n" * 2000,
            "Scene " * 400,
            "scene 1" + " " * 2000,
            "“" * 1000 + "”" * 1000,
            "…" * 2000,
        ],
        ids=lambda answer: repr(answer[:6]),
    )
    def test_it_returns(self, answer: str) -> None:
        sentence = first_sentence(answer)
        assert sentence is None or len(sentence) <= len(answer)
