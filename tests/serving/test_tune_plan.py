import itertools

import pytest

from phrasemill.serving.errors import ProfileError
from phrasemill.serving.tune_plan import EAGER_START_S, FULL, QUICK, Race, TunePlan, plan_candidates
from tests.serving.tuning import candidate, make_profile


class TestCandidates:
    def test_axes_that_are_given_are_crossed_and_nothing_else_is_tried(self) -> None:
        found = plan_candidates(make_profile(), ns=[1], engines=[1, 2], list_sizes=[8], in_flights=[16, 32])
        assert [(one.engines_per_gpu, one.list_size, one.in_flight) for one in found] == [
            (1, 8, 16),
            (1, 8, 32),
            (2, 8, 16),
            (2, 8, 32),
        ]

    def test_without_axes_the_profile_itself_is_among_those_tried(self) -> None:
        for quick in (False, True):
            found = plan_candidates(make_profile(in_flight=100), ns=[1], quick=quick)
            assert candidate(in_flight=100) in found

    def test_around_a_profile_fewer_and_more_engines_are_tried(self) -> None:
        found = plan_candidates(make_profile(engines_per_gpu=4), ns=[1])
        assert {one.engines_per_gpu for one in found} == {1, 2, 4, 6}

    def test_on_a_cpu_engines_are_not_varied_unless_asked(self) -> None:
        assert {one.engines_per_gpu for one in plan_candidates(make_profile(gpu="cpu"), ns=[1])} == {2}
        assert {one.engines_per_gpu for one in plan_candidates(make_profile(gpu="cpu"), ns=[1], engines=[3])} == {3}

    def test_quick_is_six_candidates_at_most_with_one_start_of_engines(self) -> None:
        for in_flight in (64, 96, 128, 200):
            plan = TunePlan(
                make_profile(), plan_candidates(make_profile(in_flight=in_flight), ns=[1], quick=True), QUICK
            )
            assert 3 <= len(plan.candidates) <= 6
            assert len({one.start for one in plan.candidates}) == 1

    def test_windows_follow_the_number_of_sequences_asked_for(self) -> None:
        found = plan_candidates(make_profile(), ns=[1], max_num_seqs=[256], list_sizes=[8])
        assert {one.in_flight for one in found} == {64, 256, 384, 512, 768}

    def test_a_window_of_a_single_list_is_left_out(self) -> None:
        found = plan_candidates(make_profile(), ns=[1], engines=[1], list_sizes=[8, 16, 32], in_flights=[32])
        assert [one.list_size for one in found] == [8, 16]

    def test_a_list_holds_at_least_one_prompt_of_n_samples(self) -> None:
        found = plan_candidates(make_profile(), ns=[1, 16], engines=[1], list_sizes=[8, 16], in_flights=[64])
        assert [(one.n, one.list_size) for one in found] == [(1, 8), (1, 16), (16, 16)]

    def test_a_value_given_twice_is_tried_once(self) -> None:
        assert len(plan_candidates(make_profile(), ns=[1, 1], engines=[1, 1], list_sizes=[8], in_flights=[64])) == 1

    def test_settings_of_which_none_can_be_measured_are_refused(self) -> None:
        with pytest.raises(ProfileError, match="smaller lists or more in flight"):
            plan_candidates(make_profile(), ns=[1], list_sizes=[64], in_flights=[64])


class TestRungs:
    def test_a_third_goes_on_to_each_longer_window(self) -> None:
        assert FULL.rungs(36) == [(36, 10), (12, 20), (4, 40)]

    def test_two_reach_the_end_so_that_the_winner_has_beaten_one_over_the_longest_window(self) -> None:
        assert QUICK.rungs(3) == [(3, 10), (2, 15)]

    def test_a_window_that_throws_nobody_out_is_left_out(self) -> None:
        assert FULL.rungs(6) == [(6, 10), (2, 40)]
        assert FULL.rungs(2) == [(2, 40)]
        assert FULL.rungs(1) == [(1, 40)]

    def test_rungs_get_smaller_and_windows_longer_whatever_the_field(self) -> None:
        for count in range(1, 200):
            rungs = FULL.rungs(count)
            assert rungs[0][0] == count
            assert rungs[-1] == (min(count, rungs[-1][0]), 40)
            for (size, window), (next_size, next_window) in itertools.pairwise(rungs):
                assert size > next_size >= 2
                assert window < next_window


class TestHeats:
    def test_candidates_of_one_start_of_engines_are_side_by_side(self) -> None:
        plan = TunePlan(
            make_profile(),
            plan_candidates(
                make_profile(), ns=[1, 4], engines=[2], list_sizes=[8], in_flights=[64, 128], max_num_seqs=[64, 32]
            ),
        )
        heats = plan.heats()
        assert [(heat[0].max_num_seqs, heat[0].n, len(heat)) for heat in heats] == [
            (64, 1, 2),
            (64, 4, 2),
            (32, 1, 2),
            (32, 4, 2),
        ]

    def test_candidates_of_another_quantisation_do_not_race_each_other(self) -> None:
        plan = TunePlan(
            make_profile(), plan_candidates(make_profile(), ns=[1], quantisations=[None, "fp8"], engines=[1])
        )
        assert [heat[0].quantization for heat in plan.heats()] == [None, "fp8"]


class TestWhatIsLeft:
    plan = TunePlan(
        make_profile(enforce_eager=True),
        plan_candidates(make_profile(), ns=[1], engines=[1, 2], list_sizes=[8], in_flights=[16, 32, 64]),
        Race(windows_s=(10, 20), ramp_s=5, longest_ramp_s=10),
    )

    def test_a_first_run_starts_engines_and_measures_all_rungs(self) -> None:
        left = self.plan.left()
        assert left.measurements == 6 + 2
        assert left.seconds == (EAGER_START_S + 5) + 6 * 15 + 2 * 25

    def test_what_is_measured_is_not_reckoned_with(self) -> None:
        first = self.plan.candidates[0]
        left = self.plan.left(lambda one, window_s: one == first and window_s == 10)
        assert left.measurements == 5 + 2

    def test_nothing_left_takes_no_time_at_all(self) -> None:
        left = self.plan.left(lambda _one, _window_s: True)
        assert (left.measurements, left.seconds) == (0, 0)

    def test_quick_on_a_cpu_takes_less_than_five_minutes_with_slow_ramps_and_a_slow_start(self) -> None:
        profile = make_profile(gpu="cpu", engines_per_gpu=1, list_size=16, enforce_eager=True)
        plan = TunePlan(profile, plan_candidates(profile, ns=[1], quick=True), QUICK)
        slow_ramps = (plan.left().measurements + 1) * (QUICK.longest_ramp_s - QUICK.ramp_s)
        assert plan.left().seconds + slow_ramps < 300 - 30
