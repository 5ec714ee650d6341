"""Answers of reasoning models: what they think is cut off, and rejected if nothing else is there."""

import pytest

from phrasemill.engines.fake.text import TextMaker
from phrasemill.rules import HEAD_CHARS, RuleBook
from tests.specs import make_spec

BOOKS = {language: RuleBook(make_spec(language=language)) for language in ("en", "ru")}
PHRASE = "The old bell rang over the pier."


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>The user wants a bell.</think>{PHRASE}",
        f"<think>\nHm. A bell?\n</think>\n\n{PHRASE}",
        f"Hm, a bell. That rings.\n</think>\n\n{PHRASE}",
        f"<thinking>A bell.</thinking> {PHRASE}",
        f"<THINK></THINK>{PHRASE}",
        f"<think>{'A bell. ' * HEAD_CHARS}</think>{PHRASE}",
        f"<think>\n\n</think>\n\n{PHRASE}",
        f"[THINK]The user wants a bell.[/THINK]{PHRASE}",
        f"The user wants a bell.[/THINK]{PHRASE}",
        f"analysisThe user wants a bell.assistantfinal{PHRASE}",
        f"<|channel|>analysis<|message|>A bell.<|end|><|start|>assistant<|channel|>final<|message|>{PHRASE}",
        f"<|channel|>final<|message|>{PHRASE}",
        f"\n<think>A bell.</think>{PHRASE}",
    ],
)
def test_thinking_is_cut_off(answer: str) -> None:
    assert BOOKS["en"].judge(answer)[:2] == (PHRASE, None)


def test_in_russian() -> None:
    judged = BOOKS["ru"].judge("<think>Нужен колокол.</think>\nСтарый колокол был слышен над пирсом.")
    assert judged[:2] == ("Старый колокол был слышен над пирсом.", None)
    assert BOOKS["ru"].judge("<think>Нужен колокол. Старый колокол был слышен.").reason == "thinking"


@pytest.mark.parametrize(
    "answer",
    [
        "<think>A bell. It rang over the pier.",
        "\n<think>A bell. It rang over the pier.",
        "<think>A bell.</think>",
        "A bell.</think>\n",
        "[THINK]A bell. It rang over the pier.",
        "[THINK]A bell.[/THINK]",
        "analysisThe user wants a bell. It rang over the pier.",
        "analysis\nНужен колокол.",
        "analysisA bell.assistantfinal",
        "<|channel|>analysis<|message|>A bell. It rang over the pier.",
        "<|channel|>commentary<|message|>A bell. It rang over the pier.",
    ],
)
def test_nothing_but_thinking_is_rejected(answer: str) -> None:
    assert BOOKS["en"].judge(answer).reason == "thinking"


def test_a_word_that_begins_like_thinking_is_none() -> None:
    assert BOOKS["en"].judge("analysis of the old bell rang over the pier.").reason == "no_capital"
    assert BOOKS["en"].judge("Analysis of the old bell took us all winter.").reason is None


@pytest.mark.parametrize("answer", ["[a] The old bell rang.", "The old [/b] bell rang over the pier."])
def test_other_brackets_are_markup(answer: str) -> None:
    assert BOOKS["en"].judge(answer).reason == "markup"


@pytest.mark.parametrize("mode", ["thinking", "thinking_in_brackets", "thinking_in_channels"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_model_that_thinks_half_of_the_time_to_no_end(mode: str, language: str) -> None:
    maker = TextMaker(seed=3, text="good_ru" if language == "ru" else "good")
    verdicts = [BOOKS[language].judge(maker.in_mode(mode, serial, prompt="").text) for serial in range(40)]
    assert [verdict.reason for verdict in verdicts] == [None, "thinking"] * 20
    assert [verdict.text for verdict in verdicts[::2]] == [maker.good(serial) for serial in range(0, 80, 4)]


def test_a_model_that_thinks_of_nothing_loses_nothing() -> None:
    maker = TextMaker(seed=3)
    verdicts = [BOOKS["en"].judge(maker.in_mode("thinking_of_nothing", n, prompt="").text) for n in range(20)]
    assert [verdict.text for verdict in verdicts] == [maker.good(serial) for serial in range(20)]
    assert {verdict.reason for verdict in verdicts} == {None}


@pytest.mark.parametrize("answer", ["<b>The old bell</b> rang over the pier.", "The old </b> bell rang over the pier."])
def test_other_tags_are_markup(answer: str) -> None:
    assert BOOKS["en"].judge(answer).reason == "markup"
