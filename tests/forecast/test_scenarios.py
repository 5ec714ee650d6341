"""Scenario files: the four that are shipped, those of other people, and what is said about wrong ones."""

from pathlib import Path

import pytest

from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import Question
from phrasemill.forecast.scenarios import (
    SCENARIOS_VARIABLE,
    SHIPPED,
    ScenarioError,
    find_scenario,
    load_scenario,
    parse_scenario,
    scenarios,
    tell,
)
from phrasemill.range_words import DAY_S, YEAR_S

OWN = """\
title: Our two GPUs
question:
  target: 5M phrases
  language: ru
  model: qwen2.5-1.5b
  gpus: 2
"""


@pytest.fixture(autouse=True)
def only_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SCENARIOS_VARIABLE, raising=False)


def mistakes(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, source="ours.yaml")
    return str(raised.value).splitlines()


class TestShipped:
    def test_there_are_four_in_the_order_of_their_letters(self) -> None:
        assert [scenario.title[:2] for scenario in scenarios()] == ["A:", "B:", "C:", "D:"]

    @pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
    def test_each_says_what_was_estimated_why_it_is_wrong_and_is_forecast(self, path: Path) -> None:
        scenario = load_scenario(path)
        assert scenario.first_estimate is not None
        assert scenario.why
        assert scenario.corrected
        told = tell(scenario)
        assert told.forecast == forecast(scenario.question)
        assert list(told.corrected) == [forecast(case.question) for case in scenario.corrected]
        assert list(told.measured) == [forecast(case.question) for case in scenario.measured]

    def test_a_throttled_api_takes_nearly_four_years_and_not_two_and_a_half(self) -> None:
        scenario = find_scenario("hosted_api")
        assert scenario.first_estimate is not None
        assert scenario.first_estimate.days.likely * DAY_S / YEAR_S == pytest.approx(2.5, abs=0.01)
        answer = tell(scenario).forecast
        assert answer.elapsed_s.likely == pytest.approx(125e6)
        assert answer.elapsed_s.likely / YEAR_S == pytest.approx(3.96, abs=0.005)

    def test_one_stream_was_estimated_about_right(self) -> None:
        elapsed = tell(find_scenario("one_stream")).forecast.elapsed_s
        assert elapsed.low / DAY_S == pytest.approx(57.9, abs=0.1)
        assert elapsed.high / DAY_S == pytest.approx(115.7, abs=0.1)

    def test_eleven_days_of_ten_streams_are_the_slow_end(self) -> None:
        elapsed = tell(find_scenario("ten_streams")).forecast.elapsed_s
        assert elapsed.low / DAY_S == pytest.approx(5.8, abs=0.05)
        assert elapsed.high / DAY_S == pytest.approx(11.6, abs=0.05)

    def test_russian_takes_longer_and_nearly_twice_the_bytes(self) -> None:
        for scenario in scenarios():
            told = tell(scenario)
            english, russian = told.corrected[:2]
            assert scenario.corrected[1].question.language == "ru"
            assert russian.elapsed_s.likely > 1.5 * english.elapsed_s.likely
            assert russian.text_bytes.likely / 1e9 == pytest.approx(1.8, abs=0.05)

    def test_rejects_and_overhead_make_it_longer_than_the_estimates_own_assumptions(self) -> None:
        for scenario in scenarios():
            told = tell(scenario)
            assert told.corrected[0].elapsed_s.likely > told.forecast.elapsed_s.likely

    def test_measured_cases_are_the_engines_that_were_measured(self) -> None:
        questions = [case.question for scenario in scenarios() for case in scenario.measured]
        found = [(question.model, question.engines_per_gpu, question.lora) for question in questions]
        assert sorted(found) == [
            ("qwen2.5-1.5b", 1, False),
            ("qwen2.5-1.5b", 2, False),
            ("qwen2.5-1.5b", 3, True),
            ("qwen2.5-1.5b", 4, False),
            ("qwen2.5-7b", 1, False),
            ("qwen2.5-7b", 2, False),
        ]
        for question in questions:
            rate = next(one for one in forecast(question).assumptions if one.name == "rate")
            assert rate.kind == "measured"


class TestOwn:
    def test_a_title_and_a_question_are_enough(self) -> None:
        scenario = parse_scenario(OWN, source="somewhere/ours.yaml")
        assert scenario.name == "ours"
        assert scenario.question == Question(target={"phrases": 5_000_000}, language="ru", model="qwen2.5-1.5b", gpus=2)

    def test_a_target_may_be_a_mapping_as_well(self) -> None:
        text = OWN.replace("5M phrases", "{chars: 1000000}")
        assert parse_scenario(text, source="ours.yaml").question.target.chars == 1e6

    def test_a_folder_of_the_environment_adds_to_the_shipped_ones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "ours.yaml").write_text(OWN)
        monkeypatch.setenv(SCENARIOS_VARIABLE, str(tmp_path))
        assert [scenario.name for scenario in scenarios()][-1] == "ours"
        assert len(scenarios()) == 5
        assert find_scenario("ours").title == "Our two GPUs"

    def test_a_file_of_the_same_name_takes_the_place_of_the_shipped_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "fast_7b.yaml").write_text(OWN)
        monkeypatch.setenv(SCENARIOS_VARIABLE, str(tmp_path))
        assert find_scenario("fast_7b").title == "Our two GPUs"
        assert len(scenarios()) == 4

    def test_a_file_is_found_by_its_path_and_read_again_when_it_changes(self, tmp_path: Path) -> None:
        path = tmp_path / "ours.yaml"
        path.write_text(OWN)
        assert find_scenario(str(path)).title == "Our two GPUs"
        path.write_text(OWN.replace("two", "three"))
        assert find_scenario(str(path)).title == "Our three GPUs"


class TestMistakes:
    def test_each_has_one_line_with_file_line_and_field(self) -> None:
        text = OWN.replace("gpus: 2", "gpus: 0").replace("title:", "tittle:").replace("ru", "de")
        lines = mistakes(text)
        assert [line.split(" ")[0] for line in lines] == [
            "ours.yaml:1:",
            "ours.yaml:1:",
            "ours.yaml:4:",
            "ours.yaml:6:",
        ]
        assert any("tittle: is an unknown field; did you mean title?" in line for line in lines)
        assert any("title: is missing; add it" in line for line in lines)
        assert "question.language: 'de' must be 'en' or 'ru'" in lines[2]
        assert "question.gpus: 0 must be at least 1" in lines[3]

    def test_an_unknown_field_of_a_question_is_told_with_the_one_that_was_meant(self) -> None:
        (line,) = mistakes(OWN + "  acept_share: 0.5\n")
        assert line == "ours.yaml:7: question.acept_share: is an unknown field; did you mean accept_share?"

    def test_a_range_that_falls(self) -> None:
        (line,) = mistakes(OWN + "  accept_share: {low: 0.9, likely: 0.5, high: 0.6}\n")
        assert line.startswith("ours.yaml:7: question.accept_share: must rise")

    def test_an_estimate_of_no_time(self) -> None:
        (line,) = mistakes(OWN + "first_estimate: {words: at once, days: 0}\n")
        assert line == "ours.yaml:7: first_estimate.days: 0 must be above 0"

    def test_a_figure_that_is_no_number(self) -> None:
        (line,) = mistakes(OWN + "  prompt_tokens: many\n")
        assert line.startswith("ours.yaml:7: question.prompt_tokens: 'many' must be a number, or low, likely and high")

    def test_a_target_that_cannot_be_read_beside_another_mistake(self) -> None:
        lines = mistakes(OWN.replace("5M phrases", "5 gallons").replace("gpus: 2", "gpus: none"))
        assert len(lines) == 2
        assert "ours.yaml:3: question.target: the target '5 gallons' has no unit known here" in lines[0]
        assert lines[1] == "ours.yaml:6: question.gpus: 'none' must be a whole number"

    def test_a_mistake_in_a_case_is_told_at_its_place(self) -> None:
        case = "measured:\n  - title: more\n    question: {target: 1 GB, engines_per_gpu: many}\n"
        (line,) = mistakes(OWN + case)
        assert line == "ours.yaml:9: measured[0].question.engines_per_gpu: 'many' must be a whole number"

    def test_a_model_that_the_book_does_not_know(self) -> None:
        (line,) = mistakes(OWN.replace("qwen2.5-1.5b", "gigantic-500b"))
        assert line.startswith(
            "ours.yaml:5: question.model: the book has no rates of the model gigantic-500b; it knows: "
        )

    def test_a_question_that_has_no_answer(self) -> None:
        (line,) = mistakes(OWN + "  hours_a_night: 0.01\n")
        assert line.startswith("ours.yaml:2: question: a night of 0.01 hours may be over before its first phrase")

    def test_a_name_is_the_files_and_not_a_field(self) -> None:
        (line,) = mistakes(OWN + "name: theirs\n")
        assert line == "ours.yaml:7: name: is the file's own name; remove it"

    def test_a_section_of_another_kind(self) -> None:
        lines = mistakes("title: t\nquestion: 5M phrases\nmeasured: [much]\nwhy: because\n")
        assert [line.split(": ", 2)[1] for line in lines] == ["question", "measured[0]", "why"]

    def test_what_is_no_yaml_has_one_line(self) -> None:
        (line,) = mistakes("title: [")
        assert line.startswith("ours.yaml:2: is not valid YAML")

    def test_a_field_that_is_given_twice(self) -> None:
        (line,) = mistakes(OWN + "title: again\n")
        assert "ours.yaml:7: title: is given twice, first in line 1" in line

    def test_no_such_scenario_lists_those_that_are_there(self) -> None:
        with pytest.raises(ScenarioError, match=r"no scenario 'nope'.*fast_7b, hosted_api, one_stream, ten_streams"):
            find_scenario("nope")

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(ScenarioError, match=r"nope\.yaml: cannot be read"):
            find_scenario(str(tmp_path / "nope.yaml"))

    def test_a_file_that_is_not_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "ours.yaml"
        path.write_bytes(b"title: \xff\n")
        with pytest.raises(ScenarioError, match="is not UTF-8"):
            find_scenario(str(path))
