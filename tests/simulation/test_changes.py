"""What is advised: found by simulating, each change needed, and nothing where nothing helps."""

from dataclasses import replace

import pytest

from phrasemill.simulation import StepTime, simulate
from phrasemill.simulation.changes import LONGEST_SHARD_S, MATTERS, advise
from phrasemill.simulation.place import Place
from phrasemill.simulation.words import advice_lines
from tests.simulation.questions import lifelike, plain


def place(executor="local", **changes):
    return Place(lifelike(**changes), executor, "a corpus", {})


def names(advice):
    return {change.name for change in advice.changes}


class TestNothingIsAdvised:
    def test_where_the_engines_bound(self):
        advice = advise(Place(plain(phrases=100_000, shard_phrases=10_000), "local", "a corpus", {}))
        assert advice.changes == ()
        assert advice.bottleneck is None
        assert advice.now == advice.then

    def test_where_a_corpus_is_too_small_to_fill_them(self):
        assert advise(place(phrases=1000, shard_phrases=1000)).changes == ()


class TestWhatBoundsIsFound:
    def test_small_shards_where_starting_tasks_bounds(self):
        advice = advise(place(phrases=2_000_000, shard_phrases=5000, engines=16))
        assert advice.bottleneck == "shard_phrases"
        assert advice.place.question.shard_phrases > 5000

    def test_the_gate(self):
        advice = advise(place(phrases=4_000_000, shard_phrases=50_000, engines=32, validate=StepTime(20.0)))
        assert "validate_at_once" in names(advice) or "shard_phrases" in names(advice)
        assert advice.then.seconds < advice.now.seconds / 2

    def test_too_few_slots(self):
        advice = advise(place(phrases=4_000_000, shard_phrases=50_000, engines=64, slots=1))
        assert "slots" in names(advice)
        assert advice.place.question.pool_slots > 1

    def test_one_machine_that_is_outgrown(self):
        big = {"phrases": 100_000_000, "shard_phrases": 250_000, "engines": 512}
        advice = advise(place(**big, worker_tasks=4))
        assert advice.place.executor == "celery"
        assert advice.place.question.workers > 1
        assert advice.place.question.task_start_s > lifelike().task_start_s
        assert advice.place.question.run_tasks <= advice.place.question.workers * 4

    def test_more_schedulers_where_the_largest_shards_are_not_enough(self):
        advice = advise(place(phrases=200_000_000, shard_phrases=1_000_000, engines=256, starts_per_s=0.2))
        assert "starts_per_s" in names(advice)

    def test_shards_that_are_written_for_hours(self):
        advice = advise(place(phrases=1_000_000, shard_phrases=100_000, engines=1, phrases_per_s=5.0))
        assert names(advice) == {"shard_phrases"}
        assert advice.bottleneck is None
        assert simulate(advice.place.question).longest_shard_s < LONGEST_SHARD_S


class TestEveryChange:
    @pytest.fixture(scope="class")
    def advice(self):
        return advise(place(phrases=20_000_000, shard_phrases=25_000, engines=256))

    def test_is_needed_beside_the_others(self, advice):
        assert len(advice.changes) > 1
        assert all(change.slower > 1 + MATTERS for change in advice.changes)
        assert [change.slower for change in advice.changes] == sorted(
            (change.slower for change in advice.changes), reverse=True
        )

    def test_has_been_simulated(self, advice):
        """What it says of a change comes out again when the corpus is simulated without that change."""
        changed = advice.place.question
        change = next(change for change in advice.changes if change.name == "validate_at_once")
        without = simulate(replace(changed, validate_at_once=change.before)).seconds
        assert without / simulate(changed).seconds == pytest.approx(change.slower)

    def test_and_all_of_them_bring_what_is_said(self, advice):
        assert simulate(advice.place.question).seconds == pytest.approx(advice.then.seconds)

    def test_is_told_in_plain_words(self, advice):
        before = place(phrases=20_000_000, shard_phrases=25_000, engines=256)
        now, then = simulate(before.question), simulate(advice.place.question)
        lines = list(advice_lines(before, now, advice, then))
        assert lines[0].startswith("Shards of 25,000 are written in ")
        assert "shards pass the gate at once" in lines[0] or "Airflow starts 1.7 tasks a second" in lines[0]
        told = " ".join(lines)
        assert f"Make shards of {advice.place.question.shard_phrases:,} phrases instead of 25,000" in told
        assert "Then it takes" in told
        assert "nan" not in told


def test_a_long_corpus_is_estimated_from_whole_runs_of_it():
    question = lifelike(phrases=2_000_000, shard_phrases=1000, engines=8)
    estimate = advise(Place(question, "local", "a corpus", {})).now
    assert estimate.seconds == pytest.approx(simulate(question).seconds, rel=0.02)
