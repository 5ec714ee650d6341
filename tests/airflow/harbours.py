"""Corpora for tests of pages: each of a name of its own, since a web process keeps what it has seen by name."""

import itertools
import time
from pathlib import Path
from typing import Any

from phrasemill.corpus_file import dump_corpus
from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.spec import CORPUS_DAG, CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import quarantine_shard
from tests.servers import S3Server
from tests.specs import make_spec, merged
from tests.tables import make_rows
from tests.verdicts import make_verdict

FACTS = {"seconds": 30.0, "engines": 2, "prompt_tokens": 3000, "completion_tokens": 1200}
_numbers = itertools.count()


def new_harbour(folder: Path, s3_server: S3Server, **changes: Any) -> CorpusStore:
    """The tiny corpus under a new name, with its file in `folder` and its bucket empty."""
    storage = {"bucket": s3_server.new_bucket(s3_server.endpoint)}
    spec = make_spec(**merged({"name": f"harbour{next(_numbers)}", "storage": storage}, changes))
    (folder / f"{spec.name}.yaml").write_text(dump_corpus(spec), encoding="utf-8")
    return CorpusStore(Bucket(s3_server.client(s3_server.endpoint), spec.storage.bucket), spec)


def commit(store: CorpusStore, *numbers: int, texts: list[str] | None = None) -> None:
    """Commit shards; each took half a minute and had ten echoes rejected."""
    for number in numbers:
        shard = shard_of(store.spec, number)
        facts = _facts(store.spec)
        verdict = make_verdict(warned=["mean length"]).model_dump(mode="json")
        rows = make_rows(store.spec, shard, texts=texts)
        commit_shard(store, shard, rows, facts=facts, verdict=verdict, run_id="run-1")


def hold(store: CorpusStore, number: int, *, reason: str) -> None:
    """Put a shard into quarantine."""
    shard = shard_of(store.spec, number)
    verdict = make_verdict(failed=["language"], observed=reason).model_dump(mode="json")
    rows = make_rows(store.spec, shard)
    quarantine_shard(
        store, shard, rows, facts=_facts(store.spec), verdict=verdict, reason=reason, note=reason, run_id="run-1"
    )


def _facts(spec: CorpusSpec) -> Facts:
    return Facts.model_validate(
        FACTS
        | {"accepted": spec.shard_phrases, "rejects": {"echo": 10}, "run_ids": ["run-1"]}
        | {"started_at": "2026-11-01T21:00:00Z", "finished_at": "2026-11-01T21:00:30Z"}
    )


def add_dag(store: CorpusStore, *, paused: bool = False) -> str:
    """Tell Airflow's database of a corpus's Dag, as the Dag processor would; returns its id."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    dag_id = f"{CORPUS_DAG}{store.spec.name}"
    with create_session() as session:
        if session.get(DagBundleModel, "dags-folder") is None:
            session.add(DagBundleModel(name="dags-folder"))
            session.flush()
        session.add(DagModel(dag_id=dag_id, bundle_name="dags-folder", is_paused=paused, is_stale=False))
    return dag_id


def settled(client: Any, path: str) -> Any:
    """The answer once the bucket has been read, however slow this machine is."""
    deadline = time.monotonic() + 120
    while "being read for the first time" in (answer := client.get(path)).text:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path}: the bucket is still not read")
    return answer
