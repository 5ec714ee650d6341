"""Airflow's own backfills: exactly the shards that are missing, beside the nightly run, in either direction."""

import datetime as dt

import pytest

from tests.scheduler.conftest import POOL_SLOTS
from tests.scheduler.corpus import Corpus

pytestmark = pytest.mark.scheduler

BAD_SCENE = "Scene number 75:"
"""Of phrase 74: of shard 1, and so of night 0 where a night has two."""


def nightly_run_and_backfill_at_once(corpus: Corpus) -> None:
    corpus.unpause()
    corpus.backfill(0, 4, "--reprocess-behavior", "failed", "--max-active-runs", "2")


@pytest.mark.corpus("missed", nights=6, opening=nightly_run_and_backfill_at_once)
class TestFiveMissedDatesBesideTheNightlyRun:
    def test_each_run_commits_its_own_shard_once(self, corpus: Corpus) -> None:
        runs = corpus.await_runs(6)
        assert {run["state"] for run in runs} == {"success"}
        # Catch-up is off: the schedule makes the latest night only.
        assert [run["run_type"] for run in runs] == ["backfill"] * 5 + ["scheduled"]
        assert [when(run["logical_date"]) for run in runs] == corpus.nights
        by_shard = [manifest.run_id for manifest in corpus.manifests()]
        assert by_shard == [run["dag_run_id"] for run in runs]
        assert corpus.wasted() == 0

    def test_neither_starves(self, corpus: Corpus) -> None:
        runs = corpus.await_runs(6)
        nightly, *_ = (run for run in runs if run["run_type"] == "scheduled")
        backfill = [run for run in runs if run["run_type"] == "backfill"]
        assert when(nightly["end_date"]) < max(when(run["end_date"]) for run in backfill)
        assert min(when(run["start_date"]) for run in backfill) < when(nightly["end_date"])

    def test_the_pool_is_never_overfull(self, corpus: Corpus, corpora: dict[str, Corpus]) -> None:
        corpus.await_runs(6)
        spans = [
            (when(entry["start_date"]), when(entry["end_date"]))
            for other in corpora.values()
            for run in other.runs()
            for entry in other.instances(run["dag_run_id"], "shard.generate")
            if entry["start_date"] and entry["end_date"]
        ]
        at_once = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
        assert 1 <= max(at_once) <= POOL_SLOTS


def a_backfill_with_a_bad_scene(corpus: Corpus) -> None:
    corpus.engine.faults(mode="text", text="refusals", contains=BAD_SCENE)
    corpus.unpause()
    corpus.backfill(0, 1, "--max-active-runs", "1")


@pytest.mark.corpus("holes", nights=4, opening=a_backfill_with_a_bad_scene, schedule={"shards_per_night": 2})
class TestABackfillOfFailedRunsBackwards:
    def test_does_the_missing_shards_only_and_the_latest_first(self, corpus: Corpus) -> None:
        before = {run["dag_run_id"]: run for run in corpus.await_runs(3)}
        assert [run["state"] for run in before.values()] == ["failed", "success", "success"]
        assert corpus.store.committed() == [0, 2, 3, 6, 7]
        stood = corpus.manifests()
        corpus.engine.clear_faults()
        options = ("--reprocess-behavior", "failed", "--run-backwards", "--max-active-runs", "1")
        corpus.backfill(0, 3, *options)
        after = corpus.await_runs(4)
        assert [run["state"] for run in after] == ["success"] * 4
        untouched = [run for run in after if before.get(run["dag_run_id"]) == run]
        assert [when(run["logical_date"]) for run in untouched] == [corpus.nights[1], corpus.nights[3]]
        assert when(after[2]["end_date"]) <= when(after[0]["start_date"])  # night 2 before night 0
        manifests = corpus.manifests()
        assert [manifest.shard for manifest in manifests] == list(range(8))
        assert [manifest for manifest in manifests if manifest in stood] == stood


def when(time: str) -> dt.datetime:
    return dt.datetime.fromisoformat(time)
