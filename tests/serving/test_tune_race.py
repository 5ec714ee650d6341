import pytest

from phrasemill.serving.tune_race import best_of, is_clear_loser, is_client_bound, ranked, rates, survivors, unsteady
from tests.serving.tuning import candidate, measurement


class TestRates:
    def test_a_rate_is_tokens_a_second_times_phrases_a_token(self) -> None:
        assert rates([measurement()]) == [pytest.approx(40.0)]

    def test_phrases_a_token_are_taken_over_all_that_write_the_same_text(self) -> None:
        lucky = measurement(candidate(list_size=16), accepted=600, completion_tokens=10_000, engine_tokens_per_s=1000.0)
        assert rates([measurement(), lucky]) == [pytest.approx(50.0), pytest.approx(50.0)]

    @pytest.mark.parametrize("other", [{"n": 4}, {"quantization": "fp8"}])
    def test_another_text_has_phrases_a_token_of_its_own(self, other: dict[str, object]) -> None:
        poor = measurement(candidate(**other), accepted=100)
        assert rates([measurement(), poor]) == [pytest.approx(40.0), pytest.approx(10.0)]

    def test_without_engine_counters_the_count_stands(self) -> None:
        assert rates([measurement(engine_tokens_per_s=None)]) == [36.0]

    def test_after_a_fault_the_count_stands_as_tokens_were_lost(self) -> None:
        assert rates([measurement(faults=1)]) == [36.0]

    def test_a_failed_measurement_has_no_rate(self) -> None:
        assert rates([measurement(failed="no engine")]) == [0.0]


class TestOrder:
    def test_longer_windows_come_before_faster_ones_and_failures_last(self) -> None:
        short = measurement(engine_tokens_per_s=5000.0)
        long = measurement(window_s=20.0)
        failed = measurement(window_s=20.0, failed="no engine")
        assert [one for one, _ in ranked([failed, short, long])] == [long, short, failed]
        assert best_of([failed, short, long]) == (long, pytest.approx(40.0))

    def test_nothing_is_best_of_failures(self) -> None:
        assert best_of([measurement(failed="no engine")]) is None
        assert best_of([]) is None


class TestSurvivors:
    def test_the_fastest_go_on_in_order(self) -> None:
        rung = [
            measurement(candidate(in_flight=size), engine_tokens_per_s=speed)
            for size, speed in ((16, 100.0), (32, 300.0), (64, 200.0))
        ]
        assert [one.in_flight for one in survivors(rung, 2)] == [32, 64]

    def test_a_failed_one_never_goes_on(self) -> None:
        rung = [measurement(failed="no engine"), measurement(candidate(in_flight=128), engine_tokens_per_s=1.0)]
        assert [one.in_flight for one in survivors(rung, 2)] == [128]

    def test_luck_with_the_rules_lifts_nobody_over_a_faster_engine(self) -> None:
        lucky = measurement(candidate(in_flight=16), accepted=450, counted_phrases_per_s=45.0)
        faster = measurement(candidate(in_flight=32), engine_tokens_per_s=1050.0, accepted=380)
        assert survivors([lucky, faster], 1) == [faster.candidate]


class TestClearLosers:
    def test_a_heat_far_behind_the_best_elsewhere_is_left(self) -> None:
        assert is_clear_loser([measurement()], 40.0 / 0.69)
        assert not is_clear_loser([measurement()], 40.0 / 0.71)

    def test_the_first_heat_is_never_left(self) -> None:
        assert not is_clear_loser([measurement()], 0.0)


def test_a_client_with_a_whole_core_in_use_sets_the_pace() -> None:
    assert is_client_bound(measurement(client_cpu=0.99))
    assert not is_client_bound(measurement(client_cpu=0.6))


class TestSteadiness:
    def test_the_same_settings_with_clearly_other_rates_are_told(self) -> None:
        assert unsteady([measurement(), measurement(window_s=20.0, engine_tokens_per_s=600.0)]) == (24.0, 40.0)

    def test_other_settings_may_have_other_rates(self) -> None:
        assert unsteady([measurement(), measurement(candidate(in_flight=8), engine_tokens_per_s=600.0)]) is None

    def test_chance_and_failures_are_not_told(self) -> None:
        assert unsteady([measurement(), measurement(engine_tokens_per_s=900.0), measurement(failed="no")]) is None
