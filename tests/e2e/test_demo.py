"""The demo on real parts. The tests go from the first night on, in the order of this file."""

import re
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.airflow_api import AirflowRefused
from phrasemill.corpus_file import load_corpus
from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.health import ask
from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import Layout
from phrasemill.demo.progress_line import engine_answers
from phrasemill.demo.run import Run, what_failed
from phrasemill.demo.start import all_processes
from phrasemill.demo.storage import demo_store, s3_client
from phrasemill.errors import StoreError
from phrasemill.manifest import Manifest
from phrasemill.release.get import get_release
from phrasemill.release.manifest import latest_version
from phrasemill.rows import decode_rows
from phrasemill.store.corpus_store import CorpusStore
from tests.e2e.conftest import make_demo

pytestmark = pytest.mark.e2e
DAG, RELEASE = "corpus_demo", "release_demo"
SHARDS = [0, 1, 2, 3]
PATIENCE_S = 300


def manifests_of(store: CorpusStore) -> dict[int, Manifest]:
    return {manifest.shard: manifest for manifest in store.manifests(store.committed())}


def rows_of(store: CorpusStore) -> pa.Table:
    tables = []
    for manifest in manifests_of(store).values():
        content = store.bucket.get(manifest.data_key)
        assert content is not None
        tables.append(decode_rows(content, source=manifest.data_key)[0].select(["phrase_id", "text", "text_hash"]))
    return pa.concat_tables(tables)


def keys_under(store: CorpusStore, folder: str) -> list[str]:
    return [entry.key for entry in store.bucket.entries(f"{store.keys.root}/{folder}/")]


def newest_run(api: DemoAirflow, dag_id: str) -> Run:
    runs = api.runs(dag_id)
    return Run(api, dag_id, runs[-1]["dag_run_id"])


def await_end(run: Run) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while (state := run.state()) not in {"success", "failed"}:
        assert time.monotonic() < deadline, f"{run.run_id} is still {state}"
        time.sleep(1)
    return state


class TestFirstNight:
    def test_run_is_green_with_every_step_of_every_shard(self, api: DemoAirflow) -> None:
        run = newest_run(api, DAG)
        assert run.state() == "success"
        done = sorted((e["task_id"], e["map_index"]) for e in run.instances() if e["state"] == "success")
        steps = [(f"shard.{step}", shard) for step in ("generate", "validate", "publish") for shard in SHARDS]
        assert done == sorted([("preflight", -1), ("plan", -1), ("close_night", -1), *steps])

    def test_every_shard_has_a_manifest_and_its_data(self, store: CorpusStore) -> None:
        manifests = manifests_of(store)
        assert sorted(manifests) == SHARDS
        assert sorted(keys_under(store, "shards")) == sorted(manifest.data_key for manifest in manifests.values())
        assert all(manifest.fingerprint == store.fingerprint for manifest in manifests.values())

    def test_rows_are_exactly_240_with_dense_ids(self, store: CorpusStore) -> None:
        assert rows_of(store).column("phrase_id").to_pylist() == list(range(240))

    def test_texts_are_unique_in_each_shard(self, store: CorpusStore) -> None:
        hashes = rows_of(store).column("text_hash").to_pylist()
        for shard in SHARDS:
            assert len(set(hashes[shard * 60 : shard * 60 + 60])) == 60

    def test_texts_are_sentences_and_no_echo_of_the_prompt(self, store: CorpusStore) -> None:
        rules = store.spec.rules
        for text in rows_of(store).column("text").to_pylist():
            assert rules.min_chars <= len(text) <= rules.max_chars
            assert re.search(r"[.!?…][\"'”’)]*$", text), text
            assert not re.search(r"Scene number|exactly one|60 to 120|as an AI", text), text

    def test_every_shard_passed_a_gate_of_real_expectations(self, store: CorpusStore) -> None:
        for manifest in manifests_of(store).values():
            assert manifest.verdict["passed"] is True
            assert len(manifest.verdict["expectations"]) >= 10
            assert manifest.verdict["gx_version"]

    def test_nothing_stays_in_staging_or_quarantine(self, store: CorpusStore) -> None:
        assert keys_under(store, "staging") == []
        assert keys_under(store, "quarantine") == []

    def test_report_is_in_the_bucket_and_beside_the_checkout(self, layout: Layout, store: CorpusStore) -> None:
        names = {Path(key).name for key in keys_under(store, "reports")}
        assert names >= {"report.html", "summary.json"}
        page = (layout.state / "reports" / "demo" / "report.html").read_text(encoding="utf-8")
        assert "240" in page


class TestParts:
    def test_are_healthy(self, layout: Layout) -> None:
        for process in all_processes(layout):
            assert process.find(), process.part.name
            assert process.part.healthy(), process.part.name

    def test_listen_on_the_loopback_interface_only(self, layout: Layout) -> None:
        found: list[Any] = []
        for process in all_processes(layout):
            leader = process.find()
            assert leader is not None
            for member in (leader, *leader.children(recursive=True)):
                found += [c for c in member.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.port for connection in found} >= set(layout.ports.values())
        assert {connection.laddr.ip for connection in found} == {"127.0.0.1"}

    def test_keep_their_keys_to_their_owner(self, layout: Layout) -> None:
        secret = ["keys.json", "airflow/simple_auth_manager_passwords.json.generated", "airflow/airflow.cfg"]
        for name in secret:
            assert (layout.state / name).stat().st_mode & 0o077 == 0, name

    def test_s3_server_refuses_other_keys(self, layout: Layout, store: CorpusStore) -> None:
        wrong = Keys(s3_access_key="another", s3_secret_key="another", airflow_password="")
        stranger = demo_store(s3_client(layout, wrong), store.spec)
        with pytest.raises(StoreError):
            stranger.committed()

    def test_airflow_refuses_another_password(self, layout: Layout) -> None:
        with pytest.raises(AirflowRefused, match="refuses the login"):
            DemoAirflow(layout.url("airflow"), "another")

    def test_airflow_shows_its_ui(self, layout: Layout) -> None:
        assert ask(f"{layout.url('airflow')}/") is not None


class TestRelease:
    """The night's end has started it, by the corpus's asset."""

    def test_run_is_green_and_only_what_was_not_needed_is_skipped(self, api: DemoAirflow) -> None:
        run = newest_run(api, RELEASE)
        assert run.state() == "success"
        assert {e["task_id"] for e in run.instances() if e["state"] != "success"} == {"deal", "top_up"}

    def test_holds_exactly_the_phrases_that_were_committed(
        self, layout: Layout, store: CorpusStore, tmp_path: Path
    ) -> None:
        manifest = get_release(store, latest_version(store), tmp_path)
        assert (manifest.version, manifest.phrases, manifest.partial) == ("v1", 240, False)
        released = pq.read_table(tmp_path / "data", columns=["phrase_id", "text"])
        assert released.to_pylist() == rows_of(store).select(["phrase_id", "text"]).sort_by("phrase_id").to_pylist()
        assert pq.read_table(tmp_path / "links.parquet").num_rows > 0
        card = (tmp_path / "README.md").read_text()
        assert "SmolLM2" in card
        # The library datasets cannot load a table without rows, so the card does not offer one.
        assert ("config_name: dropped" in card) == bool(manifest.dropped_exact + manifest.dropped_near)

    def test_leaves_no_work(self, store: CorpusStore) -> None:
        assert not [key for key in keys_under(store, "releases") if "/work/" in key]


class TestDemoAgain:
    def test_generates_nothing_and_is_green(self, layout: Layout, store: CorpusStore, api: DemoAirflow) -> None:
        before, answers = manifests_of(store), engine_answers(layout.url("engine"))
        printed = make_demo(layout)
        assert newest_run(api, DAG).state() == "success"
        assert manifests_of(store) == before
        assert engine_answers(layout.url("engine")) == answers
        assert "240 of 240 in 4 shards" in printed
        assert str(layout.url("airflow")) in printed

    def test_releases_nothing_anew(self, store: CorpusStore, api: DemoAirflow) -> None:
        run = newest_run(api, RELEASE)
        assert run.state() == "success"
        assert {e["state"] for e in run.instances()} == {"skipped"}
        assert latest_version(store) == "v1"


class TestSmallerDemo:
    def test_grinds_a_corpus_of_its_own(self, layout: Layout, keys: Keys) -> None:
        printed = make_demo(layout, PHRASES=60, SHARDS=3)
        small = demo_store(s3_client(layout, keys), load_corpus(layout.corpora / "demo_60x3.yaml"))
        assert small.committed() == [0, 1, 2]
        assert rows_of(small).column("phrase_id").to_pylist() == list(range(60))
        assert "60 of 60 in 3 shards" in printed


class TestLostManifest:
    def test_clearing_the_run_regenerates_that_shard_alone(
        self, layout: Layout, store: CorpusStore, api: DemoAirflow
    ) -> None:
        before = manifests_of(store)
        answers = engine_answers(layout.url("engine")) or 0
        store.bucket.delete([store.keys.manifest(2)])
        run = newest_run(api, DAG)
        api.clear(run.dag_id, run.run_id)
        assert await_end(run) == "success"
        after = manifests_of(store)
        assert {shard: manifest for shard, manifest in after.items() if shard != 2} == {
            shard: manifest for shard, manifest in before.items() if shard != 2
        }
        assert after[2].committed_at > before[2].committed_at
        generated = [e["map_index"] for e in run.instances() if e["task_id"] == "shard.generate"]
        assert generated == [0]
        judged = after[2].facts.judged
        assert 60 <= (engine_answers(layout.url("engine")) or 0) - answers <= 4 * judged


class TestRedRun:
    def test_is_told_with_its_task_and_what_it_said(self, api: DemoAirflow) -> None:
        run = Run(api, DAG, api.trigger(DAG, {"shards": "99"}))
        assert await_end(run) == "failed"
        told = what_failed(run)
        assert told.startswith("task plan failed")
        assert "demo has no shard 99; its shards are 0 to 3" in told
        assert run.page in told
