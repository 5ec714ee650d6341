"""From the last night to the release: the corpus's asset starts it, and what it is short by is written."""

import pytest

from phrasemill.release.manifest import read_manifest
from phrasemill.release.planning import released
from tests.release.committing import commit, sentence
from tests.scheduler.corpus import Corpus

pytestmark = pytest.mark.scheduler

REPEATS = 10
"""Phrases of shard 2 that shard 1 has too."""


def two_shards_that_repeat_each_other(corpus: Corpus) -> None:
    corpus.store.record_spec()
    first, last = 60, 180
    texts = [sentence(number) for number in range(first, last)]
    commit(corpus.store, 1, texts[:60])
    commit(corpus.store, 2, [*texts[60:-REPEATS], *texts[:REPEATS]])
    corpus.api.unpause(corpus.release_id)
    corpus.unpause()


@pytest.mark.corpus(
    "topped",
    opening=two_shards_that_repeat_each_other,
    target_phrases=180,
    release={"near_duplicates": None},
)
class TestACorpusThatItsNightCompletes:
    def test_is_topped_up_and_released_with_exactly_its_target(self, corpus: Corpus) -> None:
        (night,) = corpus.await_runs(1, "scheduled")
        assert night["state"] == "success"

        short, states = corpus.await_release(0)
        assert states["top_up"] == ["success"]
        assert states["resolve"] == ["success"]
        assert {state for task in ("files", "pack", "judge", "publish") for state in states[task]} == {"skipped"}

        topped, states = corpus.await_release(1)
        assert states["publish"] == ["success"]
        assert states["top_up"] == ["skipped"]
        runs = {run["dag_run_id"]: run["run_type"] for run in corpus.api.runs(corpus.release_id)}
        assert runs == {short: "asset_triggered", topped: "asset_triggered"}

        (top_up,) = (run for run in corpus.runs() if run["dag_run_id"].startswith("top_up__v1__"))
        assert (top_up["state"], top_up["conf"]) == ("success", {"shards": "3"})
        assert corpus.store.committed() == [0, 1, 2, 3]
        assert [one.run_id for one in corpus.manifests() if one.shard in {0, 3}] == [
            night["dag_run_id"],
            top_up["dag_run_id"],
        ]
        manifest = read_manifest(corpus.store, "v1")
        assert manifest is not None
        assert (manifest.phrases, manifest.committed, manifest.partial) == (180, 240, False)
        assert manifest.dropped_exact >= REPEATS

        corpus.api.clear(corpus.release_id, topped)
        states = corpus.await_tasks(corpus.release_id, topped)
        assert states["plan"] == states["publish"] == ["skipped"]
        instances = corpus.api.task_instances(corpus.release_id, topped)
        (planned,) = (entry for entry in instances if entry["task_id"] == "plan")
        assert "release v1 is published, and is not made anew" in corpus.said(planned)
        assert released(corpus.store) == ["v1"]
        assert read_manifest(corpus.store, "v1") == manifest
