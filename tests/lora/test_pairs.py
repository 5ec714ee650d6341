"""The pairs that the example makes: prompts of the demo corpus, each with a phrase that it would accept."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.prompts import PromptBook
from phrasemill.rules import RuleBook
from tests.lora.style import EXCLAIMS, NAMES_A_COLOUR, share

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "include/corpora/demo.yaml"
COUNT = 120


def made(*options: str) -> list[dict[str, str]]:
    command = [sys.executable, str(ROOT / "docs/examples/harbour_pairs.py"), str(DEMO), "--count", str(COUNT), *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, str]]:
    return made()


class TestPairs:
    def test_are_as_many_as_asked_for_and_the_same_every_time(self, pairs: list[dict[str, str]]) -> None:
        assert len(pairs) == COUNT
        assert made() == pairs
        assert made("--seed", "8") != pairs

    def test_phrases_have_the_style(self, pairs: list[dict[str, str]]) -> None:
        phrases = [pair["phrase"] for pair in pairs]
        assert share(phrases, pattern=EXCLAIMS) == share(phrases, pattern=NAMES_A_COLOUR) == 1

    def test_phrases_are_ones_that_the_corpus_accepts_and_no_two_are_alike(self, pairs: list[dict[str, str]]) -> None:
        rules = RuleBook(load_corpus(DEMO))
        assert Counter(rules.judge(pair["phrase"]).reason for pair in pairs) == {None: COUNT}
        assert len({pair["phrase"] for pair in pairs}) == COUNT

    def test_prompts_are_the_corpuss_own_and_none_that_it_grinds(self, pairs: list[dict[str, str]]) -> None:
        spec = load_corpus(DEMO)
        book = PromptBook(spec)
        ground = {book.prompt(phrase_id).text.partition(": ")[2] for phrase_id in range(spec.target_phrases)}
        assert {pair["system"] for pair in pairs} == {spec.prompts.system}
        assert not ground & {pair["prompt"].partition(": ")[2] for pair in pairs}
