"""The simulation against what can be reckoned by hand, and what must hold whatever happens."""

import math
from dataclasses import replace

import pytest

from phrasemill.sharing import slots_for
from phrasemill.simulation import Failures, Outcome, Question, SimulationError, StepTime, simulate
from tests.simulation.questions import STORM, lifelike, plain


def assert_whole(outcome: Outcome, question: Question) -> None:
    """Every shard is committed once, with all its phrases."""
    assert sorted(commit.shard for commit in outcome.commits) == list(range(question.shards))
    assert outcome.phrases == sum(commit.phrases for commit in outcome.commits) == question.phrases
    assert all(1 <= commit.phrases <= question.shard_phrases for commit in outcome.commits)
    assert [commit.at_s for commit in outcome.commits] == sorted(commit.at_s for commit in outcome.commits)


class TestClosedForms:
    def test_one_shard_on_one_engine_takes_its_rows_over_the_rate_and_each_overhead_once(self):
        question = plain(
            phrases=1000,
            starts_per_s=2.0,
            task_start_s=0.5,
            generate_s=0.25,
            validate=StepTime(3.0, 0.001),
            publish=StepTime(1.0, 0.002),
            run_start_s=4.0,
            run_end_s=6.0,
        )
        tasks = 6  # preflight, plan, generate, validate, publish, close_night
        assert simulate(question).seconds == pytest.approx(10 + tasks * 0.5 + 4 + 6 + 0.25 + 3 + 1 + 1 + 2)

    def test_without_overheads_many_shards_take_all_phrases_over_all_engines(self):
        outcome = simulate(plain(phrases=960_000, shard_phrases=10_000, engines=24))
        assert outcome.seconds == pytest.approx(960_000 / 2400, rel=1e-6)
        assert outcome.busy == pytest.approx(1.0)
        assert outcome.shard_s == pytest.approx(10_000 / (2400 / slots_for(24)), rel=1e-6)

    def test_where_starting_tasks_bounds_the_time_is_that_of_all_starts(self):
        question = plain(phrases=100_000, phrases_per_s=1e6, starts_per_s=2.0, slots=50, run_tasks=100, workers=10)
        outcome = simulate(question)
        assert outcome.tasks_started == 3 * 100 + 3
        assert outcome.seconds == pytest.approx(outcome.tasks_started / 2, rel=0.01)
        assert outcome.scheduler_busy == pytest.approx(1.0, abs=0.01)

    def test_where_the_gate_bounds_it_is_the_time_of_all_shards_there(self):
        outcome = simulate(plain(phrases_per_s=1e6, validate=StepTime(30.0)))
        assert outcome.seconds == pytest.approx(10 / 2 * 30, rel=0.01)
        assert outcome.validate_used == pytest.approx(1.0, abs=0.01)

    def test_where_one_task_bounds_it_is_all_phrases_over_what_the_pool_lets_run(self):
        question = plain(phrases=200_000, shard_phrases=10_000, phrases_per_s=1e6, task_phrases_per_s=500.0, slots=4)
        assert simulate(question).seconds == pytest.approx(200_000 / (4 * 500), rel=0.01)

    def test_what_a_task_cannot_take_the_others_have(self):
        """Two of the slots are filled by half; the third would be alone with what is left."""
        question = plain(phrases=30_000, shard_phrases=10_000, phrases_per_s=300.0, task_phrases_per_s=100.0, slots=3)
        outcome = simulate(question)
        assert outcome.seconds == pytest.approx(100.0)
        assert outcome.busy == pytest.approx(1.0)

    def test_few_prompts_in_flight_give_a_part_of_the_rate(self):
        """64 in flight, h = 100 x 0.5 = 50: 64/114 of 562/512 of the rate (the forecast's law of filling)."""
        question = plain(phrases=64, shard_phrases=64, lone_answer_s=0.5)
        assert simulate(question).seconds == pytest.approx(64 / (100 * 64 / 114 * 562 / 512))

    def test_rejected_ids_are_asked_again_until_none_is_left(self):
        """1,024 in flight, half rejected: 512 come late, after 1 + log2(512) further answers at 0.9 s or more."""
        question = plain(phrases=10_000, shard_phrases=10_000, accept_share=0.5, lone_answer_s=0.9)
        late_s = simulate(question).seconds - (10_000 - 512) / 100
        in_flight = 512 / 10 / 0.5
        rate = 100 * in_flight / (in_flight + 180) * (512 + 180) / 512
        assert late_s == pytest.approx(512 / rate)
        assert late_s > 10 * 0.9 * 0.5

    def test_another_task_fills_the_engines_at_the_end_of_a_shard(self):
        question = plain(phrases=100_000, shard_phrases=10_000, accept_share=0.8, lone_answer_s=0.2)
        alone, shared = (simulate(replace(question, slots=slots)).busy for slots in (1, 2))
        assert alone < shared
        assert shared > 0.98

    def test_a_run_takes_so_many_shards_and_then_another_one_begins(self):
        outcome = simulate(plain(shards_a_run=4, run_start_s=7.0, run_end_s=3.0))
        assert outcome.runs == 3
        assert outcome.tasks_started == 3 * 10 + 3 * 3
        assert outcome.seconds == pytest.approx(100 + 3 * 10, rel=0.01)


class TestNothingIsLostOrDoubled:
    @pytest.mark.parametrize("seed", range(6))
    def test_whatever_fails(self, seed):
        question = lifelike(failures=STORM, seed=seed)
        outcome = simulate(question)
        assert_whole(outcome, question)
        assert outcome.crashes
        assert outcome.tasks_lost
        assert outcome.seconds > simulate(lifelike()).seconds

    def test_with_a_last_shard_that_is_smaller(self):
        question = plain(phrases=10_001)
        outcome = simulate(question)
        assert_whole(outcome, question)
        assert min(commit.phrases for commit in outcome.commits) == 1

    def test_shards_out_of_retries_go_into_the_next_run(self):
        failures = replace(STORM, retries=0, worker_losses_per_hour=240.0)
        question = lifelike(failures=failures)
        outcome = simulate(question)
        assert outcome.runs > 1
        assert_whole(outcome, question)

    def test_a_retry_writes_only_the_blocks_that_were_open(self):
        """The only worker dies every 20 s: no more is written anew than is in flight, and a block."""
        failures = Failures(worker_losses_per_hour=180.0, detection_s=10.0, retry_delay_s=1.0)
        question = plain(phrases=10_000, shard_phrases=10_000, block_phrases=500, in_flight=512, failures=failures)
        outcome = simulate(question)
        assert_whole(outcome, question)
        assert outcome.tasks_lost
        assert 0 < outcome.phrases_redone <= outcome.tasks_lost * (512 + 500)
        assert outcome.seconds >= 100 + outcome.phrases_redone / 100 + 10 * outcome.tasks_lost - 1

    def test_engines_that_are_away_write_nothing(self):
        """Each crash takes the only engine away for 50 s, and what was in flight as well."""
        failures = Failures(crashes_per_gpu_hour=30.0, restart_s=50.0)
        outcome = simulate(plain(failures=failures, seed=3))
        assert outcome.crashes
        away = outcome.seconds - 100
        assert away >= 50 * (outcome.crashes - 1)
        assert away <= (50 + 512 / 100) * outcome.crashes + 1e-6


class TestMoreIsNeverSlower:
    @pytest.mark.parametrize("name", ["phrases_per_s", "starts_per_s", "validate_at_once", "publish_at_once"])
    def test_of_a_rate_or_a_limit(self, name):
        base = lifelike()
        times = [simulate(replace(base, **{name: getattr(base, name) * factor})).seconds for factor in (1, 2, 4)]
        # The last shards may fall otherwise: a hundredth for that.
        assert times[0] >= times[1] * 0.99
        assert times[1] >= times[2] * 0.99

    def test_of_engines(self):
        times = [simulate(lifelike(engines=count)).seconds for count in (1, 4, 16)]
        assert times == sorted(times, reverse=True)

    @pytest.mark.parametrize("name", ["task_start_s", "generate_s", "run_start_s", "run_end_s", "lone_answer_s"])
    def test_and_more_overhead_is_never_faster(self, name):
        base = lifelike()
        assert simulate(replace(base, **{name: getattr(base, name) * 4})).seconds > simulate(base).seconds

    def test_and_more_phrases_take_longer(self):
        times = [simulate(lifelike(phrases=count)).seconds for count in (100_000, 200_000, 400_000)]
        assert times == sorted(times)


class TestLimits:
    def test_no_more_run_at_once_than_airflow_and_workers_allow(self):
        question = lifelike(engines=160, shard_phrases=2000, validate_at_once=8, run_tasks=9, starts_per_s=20.0)
        assert simulate(question).tasks_used <= 1
        fewer, enough = simulate(replace(question, run_tasks=2)), simulate(replace(question, run_tasks=64, workers=4))
        assert fewer.seconds > simulate(question).seconds > enough.seconds

    def test_no_more_slots_are_used_than_the_pool_has(self):
        outcome = simulate(lifelike(slots=1))
        assert outcome.pool_used <= 1

    def test_a_fleet_beyond_one_tasks_reach_is_filled_by_many(self):
        """640 engines: a task asks 64 of them, 41 tasks run at once."""
        question = plain(phrases=4_100_000, shard_phrases=10_000, engines=640, run_tasks=100, workers=10)
        assert simulate(question).busy > 0.9

    def test_an_odd_number_of_engines_is_none_the_worse(self):
        question = plain(phrases=4_100_000, shard_phrases=10_000, engines=641, run_tasks=100, workers=10)
        outcome = simulate(question)
        assert_whole(outcome, question)
        assert outcome.busy > 0.9


class TestTheSameSeedGivesTheSame:
    def test_outcome(self):
        question = lifelike(failures=STORM, seed=7)
        assert simulate(question) == simulate(question)

    def test_and_another_one_another(self):
        one, other = (simulate(lifelike(failures=STORM, seed=seed)) for seed in (7, 8))
        assert one.seconds != other.seconds

    def test_where_nothing_fails_the_seed_changes_nothing(self):
        assert simulate(lifelike(seed=1)) == simulate(lifelike(seed=2))


class TestWhatCannotBeSimulated:
    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"phrases": 0}, "phrases must be from 1 to 1,000,000,000,000, not 0"),
            ({"engines": 0}, "engines must be from 1 to 65,536, not 0"),
            ({"slots": 0}, "slots must be from 1 to 100,000, not 0"),
            ({"shards_a_run": 1025}, "shards_a_run must be from 1 to 1,024, not 1,025"),
            ({"phrases_per_s": 0.0}, "phrases_per_s must be above 0, not 0"),
            ({"phrases_per_s": math.nan}, "phrases_per_s must be above 0, not nan"),
            ({"phrases_per_s": math.inf}, "phrases_per_s must be a number that engines can have"),
            ({"accept_share": 1.5}, "accept_share must be above 0 and at most 1, not 1.5"),
            ({"task_start_s": -1.0}, "task_start_s must be from 0 to 1e+07, not -1"),
            ({"validate": StepTime(math.nan)}, "validate fixed_s must be from 0 to 1e+07, not nan"),
            ({"phrases": 1_000_000, "shard_phrases": 5}, "make shards of 10 or more"),
            ({"failures": Failures(retries=-1)}, "retries must be from 0 to 100, not -1"),
            ({"failures": Failures(worker_losses_per_hour=-2.0)}, "worker_losses_per_hour must be from 0"),
        ],
    )
    def test_is_told_in_one_line(self, changes, says):
        with pytest.raises(SimulationError) as raised:
            plain(**changes)
        assert says in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_all_mistakes_are_told_at_once(self):
        with pytest.raises(SimulationError, match=r"engines must be .*; workers must be .*; starts_per_s must be"):
            plain(engines=0, workers=0, starts_per_s=-1.0)

    def test_a_corpus_that_never_gets_done_is_given_up(self):
        """A block takes 10 s, and no task lives that long."""
        failures = Failures(worker_losses_per_hour=3600.0, retries=1, detection_s=1.0, retry_delay_s=1.0)
        with pytest.raises(SimulationError, match="5 runs committed nothing"):
            simulate(plain(validate=StepTime(60.0), failures=failures))

    def test_failures_without_end_are_given_up(self, monkeypatch):
        monkeypatch.setattr("phrasemill.simulation.run.MOST_FAILURES", 50)
        failures = Failures(crashes_per_gpu_hour=36.0, restart_s=1.0)
        with pytest.raises(SimulationError, match="more than 50 failures before the corpus is done"):
            simulate(plain(phrases=1_000_000, failures=failures))
