"""Where a question's figures come from: the forecast, figures.yaml, the corpus file, and what is given."""

import pytest

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.forecast.corpus_question import question_of
from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, Measured, Question, Target
from phrasemill.ranges import Range
from phrasemill.sharing import slots_for
from phrasemill.simulation import SimulationError
from phrasemill.simulation.place import figures, place_of


def asked(**changes):
    return Question(**({"target": Target(phrases=1e8), "gpus": 8} | changes))


def placed(question=None, *, evidence=NO_EVIDENCE, executor="local", spec=None, **settings):
    return place_of(question or asked(), evidence=evidence, executor=executor, settings=settings, spec=spec)


def test_rate_and_phrases_are_the_forecasts():
    question, answer = placed().question, forecast(asked())
    assert question.phrases == 100_000_000
    assert question.engines == answer.engines == 32
    assert question.full_rate == pytest.approx(answer.phrases_per_s.likely)
    assert question.accept_share == pytest.approx(0.85, rel=0.01)
    assert question.pool_slots == slots_for(32)


def test_what_was_measured_on_the_corpus_goes_before_the_book():
    measured = Measured(value=Range.exactly(8000.0), source="manifests of three nights")
    assert placed(evidence=Evidence(phrases_per_s=measured)).question.full_rate == pytest.approx(8000)


def test_what_is_given_goes_before_both():
    question = placed(shard_phrases=100_000, slots=7, starts_per_s=3.0, task_start_s=2.0, seed=5).question
    assert (question.shard_phrases, question.pool_slots, question.seed) == (100_000, 7, 5)
    assert (question.starts_per_s, question.task_start_s) == (3.0, 2.0)


def test_a_corpus_brings_its_sizes_with_whole_shards():
    spec = load_corpus(find_corpus("hyperphrases_en"))
    question = placed(question_of(spec, gpus=2), spec=spec).question
    assert question.shards == spec.shard_count
    assert question.phrases == spec.shard_count * spec.shard_phrases
    assert (question.shard_phrases, question.block_phrases) == (spec.shard_phrases, spec.block_phrases)
    assert question.shards_a_run == spec.schedule.shards_per_night


def test_shards_grow_where_a_corpus_would_have_too_many():
    assert placed().question.shard_phrases == 25_000
    assert placed(asked(target=Target(phrases=1e10))).question.shard_phrases == 100_000


@pytest.mark.parametrize(("executor", "least"), [("local", 1), ("celery", 2), ("kubernetes", 2)])
def test_each_executor_has_its_start_up_time_and_its_workers(executor, least):
    place = placed(executor=executor)
    assert place.question.task_start_s == figures()[f"task_start_s.{executor}"].value.likely
    assert place.question.workers == least
    assert f"task_start_s.{executor}" in place.standing


def test_everything_that_it_stands_on_has_a_source():
    assert all(len(one.source) > 20 and one.kind in {"measured", "derived", "assumed"} for one in figures().values())
    assert all(one.words and one.unit for one in placed().standing.values())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"workers": 3}, "the LocalExecutor runs on one machine"),
        ({"question": asked(streams=4, tokens_per_s_per_stream=40)}, "only engines of your own are simulated"),
        ({"run_tasks": 0}, "run_tasks must be from 1 to 100,000, not 0"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, says):
    with pytest.raises(SimulationError, match=says):
        placed(**wrong)
