"""Whole releases through Airflow's own task runner, on a real S3 server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.release.manifest import read_manifest
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, sentence
from tests.servers import S3Server
from tests.specs import make_spec

pytestmark = pytest.mark.usefixtures("airflow_database", "connect_s3")

RunRelease = Callable[..., Any]


@pytest.fixture
def store(s3_server: S3Server, corpora: Path) -> CorpusStore:
    """Four shards that hold the target; two of them are committed."""
    bucket = S3Server.new_bucket(s3_server.endpoint)
    spec = make_spec(storage={"bucket": bucket})
    (corpora / f"{spec.name}.yaml").write_text(dump_corpus(spec))
    store = CorpusStore(Bucket(s3_server.client(s3_server.endpoint), bucket), spec)
    for number in (0, 1):
        commit(store, number)
    return store


@pytest.fixture
def run_release(store: CorpusStore) -> RunRelease:
    def run(**conf: Any) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        dag = DagBag(str(Path(__file__).parents[2] / "dags")).dags[f"release_{store.spec.name}"]
        return dag.test(run_conf=conf)

    return run


def states(run: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for instance in sorted(run.get_task_instances(), key=lambda ti: ti.map_index):
        found.setdefault(instance.task_id, []).append(str(instance.state))
    return found


def labels(run: Any) -> set[str]:
    return {ti.rendered_map_index for ti in run.get_task_instances() if ti.map_index >= 0}


def runs_of(dag_id: str) -> list[tuple[str, Any]]:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.execute(select(DagRun.run_id, DagRun.conf).where(DagRun.dag_id == dag_id)).all()
    return [(run_id, conf) for run_id, conf in found]


def test_a_whole_target_is_published(run_release: RunRelease, store: CorpusStore) -> None:
    for number in (2, 3):
        commit(store, number)
    run = run_release()
    assert run.state == "success"
    seen = states(run)
    assert {task for task, found in seen.items() if found != ["success"] * len(found)} == {"deal", "top_up"}
    assert {"shards 0-3", "part 1 of 1", "bands 0-7", "file 0", "place", "phrases 0-239"} <= labels(run)
    manifest = read_manifest(store, "v1")
    assert manifest is not None
    assert manifest.phrases == 240


def test_a_short_one_starts_the_corpuss_dag_and_publishes_nothing(run_release: RunRelease, store: CorpusStore) -> None:
    for number in (2, 3):
        commit(store, number, [sentence(0)] * 60)
    before = {run_id for run_id, _ in runs_of("corpus_tiny")}  # other tests share the database
    run = run_release()
    assert run.state == "success"
    seen = states(run)
    assert seen["top_up"] == ["success"]
    later = ("deal", "files", "pack", "ring", "link_file", "index", "judge", "publish")
    assert {state for task in later for state in seen[task]} == {"skipped"}
    [(run_id, conf)] = [found for found in runs_of("corpus_tiny") if found[0] not in before]
    assert run_id.startswith("top_up__v1__")
    assert conf == {"shards": "4-8"}
    assert read_manifest(store, "v1") is None
