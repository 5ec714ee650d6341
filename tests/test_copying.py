"""Phrases that give their own scene back are found; phrases that use its lexemes are not."""

import pytest

from phrasemill.copying import COPIED_WORDS, copies_prompt

PROMPT = (
    "<|im_start|>user\nWrite one short vivid sentence for this scene.\n"
    "Scene number 3: somebody finds a ship's horn in the old pawnshop on the longest day.<|im_end|>\n"
)


class TestACopiedSceneIsFound:
    @pytest.mark.parametrize(
        "text",
        [
            "The ship's horn in the old pawnshop on the longest day.",
            "Nobody knew why, but a ship's horn in the old pawnshop, on the longest day, began to sound.",
            "IN THE OLD PAWNSHOP ON THE longest night there was a light.",
            "Write one short vivid sentence for you.",
        ],
    )
    def test_wherever_it_stands(self, text: str) -> None:
        assert copies_prompt(text, PROMPT)

    def test_at_every_place_in_the_phrase(self) -> None:
        run = ["horn", "in", "the", "old", "pawnshop", "on"]
        assert len(run) == COPIED_WORDS
        for before in range(9):
            for after in range(4):
                words = [f"w{k}" for k in range(before)] + run + [f"v{k}" for k in range(after)]
                assert copies_prompt(" ".join(words) + ".", PROMPT), (before, after)

    def test_in_russian(self) -> None:
        prompt = "Сцена номер 7: в старой башне ключник находит медный ключ на рассвете."
        assert copies_prompt("В старой башне ключник находит медный ключ и уходит.", prompt)


class TestLexemesMayBeUsed:
    @pytest.mark.parametrize(
        "text",
        [
            "On the longest day a horn lay forgotten in the old pawnshop by the quay.",
            "The pawnbroker blew the ship's horn once, and the whole street went quiet.",
            "A horn.",
            "",
        ],
    )
    def test_apart(self, text: str) -> None:
        assert not copies_prompt(text, PROMPT)

    def test_a_run_one_word_shorter_is_no_copy(self) -> None:
        assert not copies_prompt("He sat in the old pawnshop on a chair and waited.", PROMPT)
