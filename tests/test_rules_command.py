"""`phrasemill rules try` and `rules list`, as people type them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from phrasemill.cli.program import app
from phrasemill.corpus_file import dump_corpus
from phrasemill.prompts import PromptBook
from phrasemill.reject_reasons import REASONS
from tests.specs import make_spec

TEMPLATES = make_spec().model_dump(mode="json")["prompts"]["templates"]
SPEC = make_spec(
    prompts={"templates": [template | {"required_lexemes": 1} for template in TEMPLATES]},
    rules={"off": ["contacts"], "patterns": [{"name": "no_fog", "pattern": "(?i)fog"}]},
)
PHRASE = "The baker left the key of the pier under a drum."


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    file = tmp_path / "tiny.yaml"
    file.write_text(dump_corpus(SPEC))
    return str(file)


def rules(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rules", *arguments], env={"COLUMNS": "200"})


def tried(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(rules("try", *arguments, "--json").stdout)
    answer["rules"] = {rule["rule"]: rule for rule in answer["rules"]}
    return answer


class TestTry:
    def test_an_accepted_text(self) -> None:
        ran = rules("try", "Sentence: " + PHRASE)
        assert ran.exit_code == 0
        assert "accepted" in ran.stdout
        assert all(rule in ran.stdout for rule in REASONS)

    def test_every_rule_tells_its_verdict(self) -> None:
        answer = tried("the **bell** raaaang!")
        assert (answer["accepted"], answer["reason"]) == (False, "too_short")
        rejecting = {name for name, rule in answer["rules"].items() if rule["verdict"] == "rejects"}
        assert rejecting >= {"too_short", "markup", "no_capital", "repetition"}

    def test_it_exits_with_1_when_rejected(self) -> None:
        assert rules("try", "Tiny.").exit_code == 1

    def test_russian_is_judged_as_russian(self) -> None:
        assert tried("Старый колокол был слышен над пирсом всю ночь.")["accepted"]

    def test_the_rules_are_the_corpuss(self, corpus: str) -> None:
        answer = tried("Fog lay over the pier and the telephone box of 555-123-4567 today.", "--corpus", corpus)
        assert answer["reason"] == "no_fog"
        assert answer["rules"]["contacts"]["verdict"] == "off"

    def test_an_echo_of_its_prompt(self) -> None:
        prompt = "Write one sentence: the baker left the key of the pier."
        assert tried(PHRASE, "--prompt", prompt)["reason"] == "echo"
        assert tried(PHRASE, "--prompt", "Write one sentence: a key.")["accepted"]

    def test_an_id_gives_prompt_and_lexemes(self, corpus: str) -> None:
        named = PromptBook(SPEC).prompt(7).slots["object"]
        right = tried(f"Nobody could remember the {named.split()[-1]} of the town.", "--corpus", corpus, "--id", "7")
        assert right["rules"]["missing_lexemes"]["verdict"] == "passes"
        wrong = tried("Nobody could remember the mayor of the town.", "--corpus", corpus, "--id", "7")
        assert wrong["reason"] == "missing_lexemes"

    def test_hostile_text_is_printed_as_it_is(self) -> None:
        ran = rules("try", "[bold]The old bell[/] rang \x1b[31mover the pier.")
        assert "\x1b[31m" not in ran.stdout
        assert "[bold]The old bell[/]" in ran.stdout
        assert "\\x1b" in ran.stdout


class TestList:
    def test_rules_in_their_order_with_reasons_and_settings(self, corpus: str) -> None:
        listed = json.loads(rules("list", "--corpus", corpus, "--json").stdout)["rules"]
        names = [rule["name"] for rule in listed]
        assert [name for name in names if name in REASONS] == list(REASONS)
        by_name = {rule["name"]: rule for rule in listed}
        assert by_name["contacts"]["on"] is False
        assert by_name["too_short"]["settings"] == {"min_chars": 20, "min_words": 4}
        assert by_name["no_fog"]["settings"]["pattern"] == "(?i)fog"
        assert by_name["missing_lexemes"]["settings"] == {"seen": 1, "made": 1}
        assert all(rule["rejects"] for rule in listed)

    def test_for_people(self) -> None:
        ran = rules("list")
        assert ran.exit_code == 0
        assert all(rule in ran.stdout for rule in REASONS)
