import datetime as dt

import orjson
import pytest
from pydantic import ValidationError

from phrasemill.facts import EXAMPLES_KEPT, Facts


def moment(hour: int) -> dt.datetime:
    return dt.datetime(2026, 11, 23, hour, tzinfo=dt.UTC)


class TestRejects:
    def test_they_are_counted_by_reason(self) -> None:
        facts = Facts(accepted=6)
        for reason in ("meta", "echo", "meta"):
            facts.reject(reason, "text")
        assert facts.rejects == {"meta": 2, "echo": 1}
        assert facts.judged == 9
        assert facts.reject_share == pytest.approx(1 / 3)

    def test_only_some_examples_are_kept(self) -> None:
        facts = Facts()
        for number in range(EXAMPLES_KEPT + 5):
            facts.reject("meta", f"text {number}")
        assert facts.rejects == {"meta": EXAMPLES_KEPT + 5}
        assert facts.examples["meta"] == [f"text {number}" for number in range(EXAMPLES_KEPT)]

    def test_examples_are_cut(self) -> None:
        facts = Facts()
        facts.reject("too_long", "x" * 100_000)
        assert facts.examples["too_long"] == ["x" * 200]

    @pytest.mark.parametrize("broken", ["half \ud83d of a pair", "nul \x00", "Гавань \ufffd", "\ue000"])
    def test_broken_unicode_can_be_written_as_json(self, broken: str) -> None:
        facts = Facts()
        facts.reject("control_characters", broken)
        assert Facts.model_validate_json(facts.model_dump_json()) == facts
        assert orjson.loads(orjson.dumps(facts.model_dump(mode="json")))["rejects"] == {"control_characters": 1}

    def test_nothing_judged_is_no_share(self) -> None:
        assert Facts().reject_share == 0.0

    def test_all_rejected_is_a_share_of_1(self) -> None:
        assert Facts(rejects={"meta": 3}).reject_share == 1.0

    def test_the_histogram_has_the_most_frequent_first(self) -> None:
        assert Facts(rejects={"echo": 1, "meta": 7, "empty": 3}).histogram() == "meta 7, empty 3, echo 1"
        assert Facts().histogram() == "no rejects"


class TestTotal:
    def test_counts_add_up(self) -> None:
        total = Facts.total(
            [
                Facts(accepted=2, prompt_tokens=10, completion_tokens=5, seconds=1.5, rejects={"meta": 1}),
                Facts(accepted=3, prompt_tokens=20, completion_tokens=7, seconds=0.5, rejects={"meta": 2, "echo": 9}),
            ]
        )
        assert (total.accepted, total.prompt_tokens, total.completion_tokens, total.seconds) == (5, 30, 12, 2.0)
        assert list(total.rejects.items()) == [("echo", 9), ("meta", 3)]

    def test_times_span_from_the_first_start_to_the_last_finish(self) -> None:
        total = Facts.total(
            [
                Facts(started_at=moment(3), finished_at=moment(4)),
                Facts(started_at=moment(1), finished_at=moment(2)),
                Facts(),
            ]
        )
        assert (total.started_at, total.finished_at) == (moment(1), moment(4))

    def test_engines_are_those_of_the_part_that_had_most(self) -> None:
        assert Facts.total([Facts(engines=2), Facts(engines=4), Facts(engines=1)]).engines == 4

    def test_runs_are_listed_once_in_their_order(self) -> None:
        parts = [Facts(run_ids=["b"]), Facts(run_ids=["a", "b"]), Facts(run_ids=["c"])]
        assert Facts.total(parts).run_ids == ["b", "a", "c"]

    def test_examples_stay_few(self) -> None:
        part = Facts(examples={"meta": ["x"] * 15, "echo": ["y"]})
        total = Facts.total([part, part, part])
        assert total.examples == {"meta": ["x"] * EXAMPLES_KEPT, "echo": ["y"] * 3}

    def test_parts_are_left_alone(self) -> None:
        part = Facts(examples={"meta": ["x"]}, run_ids=["a"], rejects={"meta": 1})
        before = part.model_copy(deep=True)
        Facts.total([part, part])
        assert part == before

    def test_of_nothing_is_nothing(self) -> None:
        assert Facts.total([]) == Facts()


class TestStoredFacts:
    def test_they_survive_json(self) -> None:
        facts = Facts(accepted=1, started_at=moment(1), finished_at=moment(2), run_ids=["manual__1"])
        assert Facts.model_validate_json(facts.model_dump_json()) == facts

    def test_a_field_of_another_version_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            Facts.model_validate({"accepted": 1, "unheard_of": 2})
