"""Answers of reasoning models: what they think is cut off, and rejected if nothing else is there."""

import pytest

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
    ],
)
def test_thinking_is_cut_off(answer: str) -> None:
    assert BOOKS["en"].judge(answer)[:2] == (PHRASE, None)


def test_in_russian() -> None:
    judged = BOOKS["ru"].judge("<think>Нужен колокол.</think>\nСтарый колокол был слышен над пирсом.")
    assert judged[:2] == ("Старый колокол был слышен над пирсом.", None)
    assert BOOKS["ru"].judge("<think>Нужен колокол. Старый колокол был слышен.").reason == "thinking"


@pytest.mark.parametrize(
    "answer", ["<think>A bell. It rang over the pier.", "<think>A bell.</think>", "A bell.</think>\n"]
)
def test_nothing_but_thinking_is_rejected(answer: str) -> None:
    assert BOOKS["en"].judge(answer).reason == "thinking"


@pytest.mark.parametrize("answer", ["<b>The old bell</b> rang over the pier.", "The old </b> bell rang over the pier."])
def test_other_tags_are_markup(answer: str) -> None:
    assert BOOKS["en"].judge(answer).reason == "markup"
