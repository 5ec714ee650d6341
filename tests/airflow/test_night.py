"""Whole nights through Airflow's own task runner, on a real S3 server and a fake engine."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from phrasemill import account
from phrasemill.allowance import open_allowance
from phrasemill.allowance.clock import utc_now
from phrasemill.corpus_file import dump_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.price_settings import Price
from phrasemill.snapshot import take_snapshot
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.shard_index import read_index
from tests.servers import S3Server
from tests.specs import make_spec

pytestmark = pytest.mark.usefixtures("airflow_database", "connect_s3")


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngineProcess]:
    with FakeEngineProcess(model="test-model") as process:
        yield process


@pytest.fixture
def connect_engine(engine: FakeEngineProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def connect(**extra: Any) -> None:
        connection = {"conn_type": "vllm", "extra": {"urls": engine.url} | extra}
        monkeypatch.setenv("AIRFLOW_CONN_PHRASEMILL_ENGINES", json.dumps(connection))

    connect()
    return connect


@pytest.fixture
def spec(s3_server: S3Server) -> CorpusSpec:
    bucket = S3Server.new_bucket(s3_server.endpoint)
    return make_spec(model={"name": "test-model"}, storage={"bucket": bucket})


@pytest.fixture
def store(s3_server: S3Server, spec: CorpusSpec) -> CorpusStore:
    return CorpusStore(Bucket(S3Server.client(s3_server.endpoint), spec.storage.bucket), spec)


@pytest.fixture
def run_night(spec: CorpusSpec, corpora: Path, connect_engine: Callable[..., None]) -> Callable[..., Any]:
    def run(changed: CorpusSpec | None = None, *, date: dt.datetime | None = None, **conf: Any) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        (corpora / f"{spec.name}.yaml").write_text(dump_corpus(changed or spec))
        dag = DagBag(str(Path(__file__).parents[2] / "dags")).dags[f"corpus_{spec.name}"]
        return dag.test(run_conf=conf, logical_date=date)

    return run


def states(run: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for instance in sorted(run.get_task_instances(), key=lambda ti: ti.map_index):
        found.setdefault(instance.task_id, []).append(str(instance.state))
    return found


def manifests(store: CorpusStore) -> dict[str, bytes | None]:
    return {entry.key: store.bucket.get(entry.key) for entry in store.bucket.entries(store.keys.manifests())}


class TestAWholeNight:
    def test_every_shard_is_committed_and_reported(
        self, run_night: Callable[..., Any], store: CorpusStore, spec: CorpusSpec
    ) -> None:
        run = run_night(shards="0-3")
        assert run.state == "success"
        assert states(run)["shard.publish"] == ["success"] * 4
        labels = {ti.map_index: ti.rendered_map_index for ti in run.get_task_instances() if ti.map_index >= 0}
        assert labels[2] == "shard-00002"
        seen = take_snapshot(store)
        assert sum(entry.rows for entry in seen.shards.values()) == spec.target_phrases
        assert (list(seen.shards), seen.staged, seen.held) == ([0, 1, 2, 3], {}, {})
        assert read_index(store) == seen.shards
        keys = [entry.key for entry in store.bucket.entries(store.keys.root)]
        assert not [key for key in keys if "/staging/" in key]
        (summary_key,) = [key for key in keys if key.endswith("summary.json")]
        summary = json.loads(store.bucket.get(summary_key) or b"")
        assert summary["phrases"] == spec.target_phrases
        assert summary["state"] == "complete"

    def test_running_it_again_generates_nothing_and_is_green(
        self, run_night: Callable[..., Any], store: CorpusStore, engine: FakeEngineProcess
    ) -> None:
        run_night(shards="0-3")
        before, asked = manifests(store), engine.state()["phrases"]
        again = run_night(shards="0-3")
        assert again.state == "success"
        assert states(again)["shard.generate"] == ["skipped"]
        assert manifests(store) == before
        assert engine.state()["phrases"] == asked

    def test_a_deleted_manifest_brings_back_that_shard_only(
        self, run_night: Callable[..., Any], store: CorpusStore
    ) -> None:
        run_night(shards="0-3")
        before = manifests(store)
        lost = store.keys.manifest(2)
        store.bucket.delete([lost])
        again = run_night(shards="0-3")
        assert again.state == "success"
        assert states(again)["shard.generate"] == ["success"]
        after = manifests(store)
        assert after.keys() == before.keys()
        assert {key for key in before if before[key] != after[key]} == {lost}

    def test_a_date_writes_the_shards_that_it_owns_and_once_only(
        self, run_night: Callable[..., Any], store: CorpusStore
    ) -> None:
        second_night = dt.datetime(2026, 11, 2, 21, 0, tzinfo=dt.UTC)  # 22:00 in Berlin
        assert run_night(date=second_night).state == "success"
        assert store.committed() == [2, 3]
        before = manifests(store)
        again = run_night(date=second_night)
        assert again.state == "success"
        assert states(again)["shard.generate"] == ["skipped"]
        assert manifests(store) == before
        assert store.bucket.get(store.keys.report("2026-11-02", "report.html"))

    def test_next_shards_takes_the_lowest_uncommitted(self, run_night: Callable[..., Any], store: CorpusStore) -> None:
        run_night(shards="1")
        run_night(next_shards=2)
        assert store.committed() == [0, 1, 2]


class TestABudget:
    def test_a_later_date_goes_on_with_what_earlier_ones_left_and_reports_it(
        self, run_night: Callable[..., Any], store: CorpusStore, spec: CorpusSpec, connect_engine: Callable[..., None]
    ) -> None:
        connect_engine(limits={"budget_per_night": 5})
        paid = spec.model_copy(update={"price": Price(per_million_completion_tokens=0.5)})
        run = run_night(paid, date=dt.datetime(2026, 11, 2, 21, 0, tzinfo=dt.UTC))
        assert run.state == "success"
        assert store.committed() == [0, 1, 2, 3]
        summary = json.loads(store.bucket.get(store.keys.report("2026-11-02", "summary.json")) or b"")
        assert (summary["phrases"], summary["state"]) == (240, "complete")

    @pytest.fixture
    def paid(self, spec: CorpusSpec, connect_engine: Callable[..., None]) -> CorpusSpec:
        """Two shards that take about 3.7 each, a list setting aside 1, of a budget of 7."""
        # It has begun six hours ago, whenever that is: no budget ends within a test.
        begins = f"{utc_now().astimezone(spec.schedule.zone) - dt.timedelta(hours=6):%H}:00"
        connect_engine(limits={"budget_per_night": 7, "budget_begins": begins})
        price = Price(per_million_prompt_tokens=1000, per_million_completion_tokens=1000)
        engines = spec.engines.model_copy(update={"list_size": 4})
        sizes = {"target_phrases": 120, "block_phrases": 10}
        return spec.model_copy(update=sizes | {"engines": engines, "price": price})

    def test_a_spent_one_ends_the_night_at_once_and_a_night_of_the_next_day_finishes_it(
        self, run_night: Callable[..., Any], store: CorpusStore, paid: CorpusSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from phrasemill.airflow import workplace

        errors: list[str] = []
        monkeypatch.setattr(workplace.log, "error", lambda form, *parts: errors.append(form % parts))
        night = dt.datetime(2026, 11, 1, 21, 0, tzinfo=dt.UTC)
        run = run_night(paid, date=night)
        assert run.state == "failed"
        assert states(run)["shard.generate"] == ["success", "failed"]
        assert states(run)["close_night"] == ["failed"]
        tries = {(ti.task_id, ti.map_index): ti.try_number for ti in run.get_task_instances()}
        assert tries["shard.generate", 1] == 1
        spent, red = errors
        assert "the budget begins anew on" in spent
        assert "1 of 2 shards missing" in red
        assert ". Of the budget of 7 EUR until" in red
        assert red.endswith("are spent; a later night goes on with what is missing")
        assert (store.committed(), list(take_snapshot(store).staged)) == ([0], [1])

        tomorrow = partial(open_allowance, now=lambda: utc_now() + dt.timedelta(days=1))
        monkeypatch.setattr(account, "open_allowance", tomorrow)
        later = run_night(paid, date=night + dt.timedelta(days=1))
        assert (later.state, store.committed()) == ("success", [0, 1])


class TestWhenSomethingIsWrong:
    def test_a_shard_that_fails_the_gate_is_red_alone_and_the_night_with_it(
        self, run_night: Callable[..., Any], store: CorpusStore, spec: CorpusSpec
    ) -> None:
        run_night(shards="0")
        strict = spec.model_copy(update={"gate": spec.gate.model_copy(update={"min_mean_chars": 139})})
        run = run_night(strict, shards="0-1")
        assert run.state == "failed"
        seen = states(run)
        assert seen["shard.validate"] == ["failed"]
        assert seen["close_night"] == ["failed"]
        assert store.committed() == [0]
        keys = [entry.key for entry in store.bucket.entries(store.keys.quarantines())]
        assert any(key.endswith("rows.parquet") for key in keys)

    def test_engines_of_another_model_stop_the_night_in_preflight(
        self, run_night: Callable[..., Any], connect_engine: Callable[..., None], store: CorpusStore
    ) -> None:
        connect_engine(model="another-model")
        run = run_night(shards="0")
        assert states(run)["preflight"] == ["failed"]
        assert run.state == "failed"
        assert store.committed() == []

    def test_a_changed_corpus_file_is_refused_by_plan(
        self, run_night: Callable[..., Any], store: CorpusStore, spec: CorpusSpec
    ) -> None:
        run_night(shards="0")
        changed = spec.model_copy(update={"sampling": spec.sampling.model_copy(update={"temperature": 0.1})})
        run = run_night(changed, shards="0-1")
        assert states(run)["plan"] == ["failed"]
        assert store.committed() == [0]
