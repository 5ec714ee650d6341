"""SIGKILL to the processes of Airflow while a night runs: it completes, and nothing staged is written twice."""

import datetime as dt
import time

import pytest

from tests.scheduler.airflow_server import AirflowServer
from tests.scheduler.corpus import Corpus, wait_for

pytestmark = pytest.mark.scheduler

BLOCK, SHARD = 20, 200
STAGED_FIRST = 4
"""Blocks that are staged when the task is killed."""
killed_with: dict[str, dt.datetime] = {}


def a_task_killed_in_its_shard(corpus: Corpus) -> None:
    corpus.unpause()
    wait_for(corpus.runs, what="the nightly run")
    (run,) = corpus.runs()
    instance = corpus.running(run["dag_run_id"], "shard.generate")
    wait_for(lambda: len(corpus.staged()) >= STAGED_FIRST, what="staged blocks", every_s=0.1)
    process = corpus.airflow.task_process(instance)
    assert process is not None
    process.kill()
    process.wait()
    time.sleep(1)  # what was in flight to the bucket arrives
    killed_with.update(corpus.staged())
    corpus.engine.reset()


@pytest.mark.corpus(
    "killed",
    opening=a_task_killed_in_its_shard,
    shard_phrases=SHARD,
    block_phrases=BLOCK,
    engine={"tokens_per_second": 500, "max_num_seqs": BLOCK},
)
class TestATaskThatIsKilled:
    def test_is_retried_and_goes_on_from_its_blocks(self, corpus: Corpus) -> None:
        (run,) = corpus.await_runs(1)
        assert run["state"] == "success"
        (generated,) = corpus.instances(run["dag_run_id"], "shard.generate")
        assert generated["try_number"] == 2
        (manifest,) = corpus.manifests()
        kept = len(killed_with) * BLOCK
        assert STAGED_FIRST * BLOCK <= kept < SHARD
        asked_again = corpus.engine.state()["phrases"]
        assert asked_again <= SHARD - kept + sum(manifest.facts.rejects.values())
        assert manifest.rows == SHARD


@pytest.mark.corpus(
    "stormy",
    opening=lambda corpus: None,
    nights=2,
    schedule={"catchup": True, "shards_per_night": 2},
    engine={"tokens_per_second": 400},
)
class TestNightsThroughOutages:
    """Last of all, since every Dag feels it."""

    def test_scheduler_and_api_server_may_be_killed_while_nights_are_caught_up(
        self, airflow: AirflowServer, corpus: Corpus
    ) -> None:
        corpus.unpause()
        first = wait_for(corpus.runs, what="the first night")[0]["dag_run_id"]
        corpus.running(first, "shard.generate")
        airflow.kill("scheduler")
        time.sleep(2)
        airflow.launch("scheduler")
        assert corpus.await_run(first) == "success"

        second = wait_for(lambda: corpus.runs()[1:], what="the second night")[0]["dag_run_id"]
        corpus.running(second, "shard.generate")
        airflow.kill("api-server")
        time.sleep(2)
        airflow.launch("api-server")
        assert corpus.await_run(second) == "success"

        # Catch-up is on: every night since the start date, one after the other.
        runs = corpus.await_runs(2)
        assert [(run["run_type"], run["state"]) for run in runs] == [("scheduled", "success")] * 2
        assert [dt.datetime.fromisoformat(run["logical_date"]) for run in runs] == corpus.nights
        owners = [manifest.run_id for manifest in corpus.manifests()]
        assert owners == [run["dag_run_id"] for run in runs for _ in range(2)]
        assert corpus.staged() == {}
