"""Regular expressions of a corpus file as rules: what they reject, how they are checked, that none can hang."""

import time
from typing import Any

import pytest

from phrasemill.bounded_pattern import LIMIT_S, BoundedPattern, PatternTooSlow
from phrasemill.corpus_file import dump_corpus, parse_corpus
from phrasemill.errors import SpecError
from phrasemill.rules import RuleBook, meanings
from tests.specs import SPEC_YAML, make_spec


def spec_with(*patterns: dict[str, Any], language: str = "en") -> Any:
    return make_spec(language=language, rules={"patterns": list(patterns)})


def mistakes(rules: str) -> str:
    with pytest.raises(SpecError) as error:
        parse_corpus(SPEC_YAML + rules, source="tiny.yaml")
    return str(error.value)


class TestPatterns:
    def test_a_match_rejects_by_the_patterns_name(self) -> None:
        book = RuleBook(spec_with({"name": "no_weather", "pattern": r"(?i)\b(rain|fog)\b"}))
        assert book.judge("Fog lay over the old pier of the town.").reason == "no_weather"
        assert book.judge("The frog sat on the old pier of the town.").reason is None

    def test_a_miss_rejects_where_that_is_asked(self) -> None:
        book = RuleBook(spec_with({"name": "a_bell", "pattern": r"\bbells?\b", "reject_when": "misses"}))
        assert book.judge("The old bells rang over the pier.").reason is None
        assert book.judge("The old horn rang over the pier.").reason == "a_bell"

    def test_word_borders_are_russian_too(self) -> None:
        book = RuleBook(spec_with({"name": "no_sudden", "pattern": r"(?i)\bвдруг\b"}, language="ru"))
        assert book.judge("Вдруг старый колокол был слышен над пирсом.").reason == "no_sudden"
        assert book.judge("Вдругорядь старый колокол был слышен над пирсом.").reason is None

    def test_built_in_rules_come_first_and_the_model_last(self) -> None:
        spec = spec_with({"name": "anything", "pattern": "."})
        assert RuleBook(spec).judge("Der alte Mann zog die Uhr auf und schwieg.").reason == "anything"
        assert RuleBook(spec).judge("the bell rang over the old pier.").reason == "no_capital"
        names = list(meanings(spec))
        assert names.index("repetition") < names.index("anything") < names.index("wrong_language")
        assert "matches the corpus's pattern ." in meanings(spec)["anything"]

    def test_they_come_back_from_a_corpus_file(self) -> None:
        spec = spec_with({"name": "a", "pattern": r"\d{4}", "passes": ["In spring."], "rejects": ["In 1923."]})
        assert parse_corpus(dump_corpus(spec), source="tiny.yaml") == spec


class TestChecks:
    def test_what_is_no_pattern_is_told_at_its_line(self) -> None:
        told = mistakes("  patterns:\n    - {name: odd, pattern: 'bell('}\n")
        assert "rules.patterns[0].pattern" in told
        assert "is no regular expression" in told

    def test_examples_are_tried(self) -> None:
        told = mistakes("  patterns:\n    - {name: a, pattern: fog, passes: [the fog], rejects: [the frog]}\n")
        assert "rules.patterns[0].passes[0]" in told
        assert "rules.patterns[0].rejects[0]" in told

    def test_a_name_is_taken_once(self) -> None:
        told = mistakes(
            "  patterns:\n    - {name: echo, pattern: a}\n    - {name: b, pattern: a}\n    - {name: b, pattern: a}\n"
        )
        assert told.count("names a second rule") == 2

    @pytest.mark.parametrize("pattern", ["(a|aa)+$", "(q|qq)+$", "(.*a){20}z"])
    def test_a_pattern_that_backtracks_without_end_is_refused_at_once(self, pattern: str) -> None:
        started = time.monotonic()
        told = mistakes(f"  patterns:\n    - {{name: slow, pattern: '{pattern}'}}\n")
        assert f"takes over {LIMIT_S} s" in told
        assert time.monotonic() - started < 5

    def test_one_that_the_check_did_not_find_out_is_stopped(self) -> None:
        with pytest.raises(PatternTooSlow, match="rewrite"):
            BoundedPattern("(a|aa)+$").search("a" * 200 + "!")
