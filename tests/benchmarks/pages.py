"""What the pages on a large corpus cost the web server: CPU, time and bytes of each, with 2,000 shards.

    PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack python -m tests.benchmarks.pages

Airflow's whole app answers, with a database that has three task instances for every committed shard; the corpus is in
a real S3 server: 1,900 of 2,000 shards are committed, 20 a night, their manifests those of hard shards as in
tests/benchmarks/report.py. `first` is what a page takes when this process knows nothing of the corpus, `again` when
the last look is young: the least of five, as the machine is shared. CPU is that of the server's process, all threads.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.airflow import conftest  # first of all: it gives Airflow a home of this process's own
from tests.airflow.browsers import browser, whole_app
from tests.airflow.harbours import add_dag
from tests.airflow.rows import add_plan, add_run, add_tasks
from tests.benchmarks.report import facts_of, put_copy
from tests.servers import KEYS, S3Server
from tests.specs import make_spec
from tests.tables import make_rows, sentences
from tests.verdicts import make_verdict

SHARDS, COMMITTED, A_NIGHT, SHARD_PHRASES = 2000, 1900, 20, 25_000
AGAIN = 5
DONE = {"shard.generate": "success", "shard.validate": "success", "shard.publish": "success"}
DAG = "/phrasemill/dags/corpus_bench"
PAGES = {
    "corpora": "/phrasemill/corpora",
    "a corpus": f"{DAG}/corpus",
    "a corpus, all nights and phrases": f"{DAG}/corpus?nights=all&seed=1",
    "random phrases": f"{DAG}/corpus/phrases?seed=1",
    "random phrases, filtered": f"{DAG}/corpus/phrases?seed=1&slot=place&lexeme=the%20pier",
    "a shard": f"{DAG}/shards/17",
    "its manifest": f"{DAG}/shards/17/manifest.json",
}


def fill(s3: S3Server, folder: Path) -> None:
    """Write the corpus file, its bucket, and what Airflow knows of its runs."""
    from phrasemill.corpus_file import dump_corpus
    from phrasemill.planning import shard_of
    from phrasemill.store.bucket import Bucket
    from phrasemill.store.commit import commit_shard
    from phrasemill.store.corpus_store import CorpusStore, in_parallel
    from phrasemill.store.shard_index import refresh_index

    spec = make_spec(
        name="bench",
        target_phrases=SHARDS * SHARD_PHRASES,
        shard_phrases=SHARD_PHRASES,
        block_phrases=1000,
        schedule={"shards_per_night": A_NIGHT, "start_date": "2026-08-01"},
        storage={"bucket": s3.new_bucket(s3.endpoint)},
    )
    (folder / "bench.yaml").write_text(dump_corpus(spec), encoding="utf-8")
    store = CorpusStore(Bucket(s3.client(s3.endpoint), spec.storage.bucket), spec)
    shard = shard_of(spec, 0)
    rows = make_rows(spec, shard, texts=sentences(SHARD_PHRASES))
    verdict = make_verdict().model_dump(mode="json")
    real = commit_shard(store, shard, rows, facts=facts_of(0), verdict=verdict, run_id="night-0")

    in_parallel(lambda number: put_copy(store, real, number), range(1, COMMITTED))
    refresh_index(store)
    dag_id = add_dag(store)
    for night in range(COMMITTED // A_NIGHT):
        run_id, first = f"scheduled__night-{night}", night * A_NIGHT
        shards = range(first, first + A_NIGHT)
        add_run(dag_id, run_id, begun=night)
        add_plan(dag_id, run_id, shards=list(shards), label=f"night {night}")
        labels = {index: f"shard-{number:05d}" for index, number in enumerate(shards)}
        add_tasks(dag_id, run_id, DONE, indexes=range(A_NIGHT), labels=labels)


def measure(client: Any, path: str) -> tuple[float, float, int]:
    """CPU and time in ms, and bytes, of one answer."""
    began, cpu = time.monotonic(), time.process_time()
    answer = client.get(path)
    took = (time.process_time() - cpu, time.monotonic() - began)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return took[0] * 1000, took[1] * 1000, len(answer.content)


def main() -> None:
    """Measure and print a table."""
    migrate = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    subprocess.run(migrate, check=True, capture_output=True)
    with S3Server() as s3, tempfile.TemporaryDirectory() as folder:
        os.environ["PHRASEMILL_CORPORA"] = folder
        login = {"login": KEYS["aws_access_key_id"], "password": KEYS["aws_secret_access_key"]}
        extra = {"endpoint_url": s3.endpoint, "region_name": KEYS["region_name"]}
        os.environ["AIRFLOW_CONN_PHRASEMILL_S3"] = json.dumps({"conn_type": "aws", "extra": extra} | login)
        fill(s3, Path(folder))
        client = browser(whole_app(), role="viewer")
        sys.stdout.write(f"{SHARDS} shards, {COMMITTED} committed; Airflow's home was {conftest.HOME.name}\n")
        sys.stdout.write(f"{'page':<34}{'first, ms CPU':>14}{'again, ms CPU':>14}{'again, ms':>11}{'kB':>7}\n")
        for name, path in PAGES.items():
            first = measure(client, path)
            again = min(measure(client, path) for _ in range(AGAIN))
            sys.stdout.write(f"{name:<34}{first[0]:>14.0f}{again[0]:>14.0f}{again[1]:>11.0f}{again[2] / 1000:>7.0f}\n")


if __name__ == "__main__":
    main()
