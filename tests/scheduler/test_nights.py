"""Nights by the real scheduler: red where a shard failed, mended by clearing it, refused where the file changed."""

import pytest

from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from tests.scheduler.corpus import Corpus
from tests.store.rows import shard_rows

pytestmark = pytest.mark.scheduler

BAD_SCENE = "Scene number 75:"
"""Of phrase 74, and so of shard 1."""


def a_night_with_a_bad_scene(corpus: Corpus) -> None:
    corpus.engine.faults(mode="text", text="refusals", contains=BAD_SCENE)
    corpus.unpause()


@pytest.mark.corpus("red", opening=a_night_with_a_bad_scene, schedule={"shards_per_night": 3})
class TestAShardThatFails:
    def test_leaves_the_night_red_with_the_others_committed_and_is_mended_by_clearing_it(self, corpus: Corpus) -> None:
        (run,) = corpus.await_runs(1)
        run_id = run["dag_run_id"]
        assert run["state"] == "failed"
        assert corpus.store.committed() == [0, 2]
        assert corpus.states(run_id, "shard.generate") == ["success", "failed", "success"]
        assert corpus.states(run_id, "close_night") == ["failed"]
        (closing,) = corpus.instances(run_id, "close_night")
        assert "Clear the failed tasks of shards 1" in corpus.said(closing)
        before = {manifest.shard: manifest for manifest in corpus.manifests()}
        corpus.engine.clear_faults()
        corpus.api.clear_failed(corpus.dag_id, run_id)
        assert corpus.await_run(run_id) == "success"
        after = {manifest.shard: manifest for manifest in corpus.manifests()}
        assert after.keys() == {0, 1, 2}
        assert {shard: after[shard] for shard in before} == before
        tries = [entry["try_number"] for entry in corpus.instances(run_id, "shard.generate")]
        assert tries == [1, 2, 1]


def a_shard_of_an_earlier_file(corpus: Corpus) -> None:
    sampling = corpus.spec.sampling.model_copy(update={"temperature": 0.3})
    earlier = CorpusStore(corpus.store.bucket, corpus.spec.model_copy(update={"sampling": sampling}))
    earlier.record_spec()
    shard = shard_of(earlier.spec, 0)
    rows = shard_rows(earlier.spec, shard)
    commit_shard(earlier, shard, rows, facts=Facts(accepted=60), verdict={"passed": True}, run_id="earlier")
    corpus.unpause()


@pytest.mark.corpus("changed", opening=a_shard_of_an_earlier_file)
class TestACorpusFileThatChangedAfterACommit:
    def test_is_refused_by_plan_with_what_differs_and_the_two_ways_out(self, corpus: Corpus) -> None:
        (run,) = corpus.await_runs(1)
        assert run["state"] == "failed"
        (planned,) = corpus.instances(run["dag_run_id"], "plan")
        assert (planned["state"], planned["try_number"]) == ("failed", 1)
        said = corpus.said(planned)
        assert "sampling.temperature" in said
        assert "give the corpus a new name" in said
        assert "make it in a copy of the file under another name" in said
        assert corpus.engine.state()["phrases"] == 0
