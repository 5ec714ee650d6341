"""The Dags as Airflow sees them: they import, have the designed shape, and say what is wrong with a corpus file."""

from pathlib import Path
from typing import Any

import pytest

from phrasemill.corpus_file import dump_corpus
from tests.specs import make_spec

ROOT = Path(__file__).parents[2]


def load_dags() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(ROOT / "dags"))


@pytest.fixture
def dag(corpora: Path) -> Any:
    spec = make_spec(schedule={"cron": "0 22 * * *", "timezone": "Europe/Berlin"})
    (corpora / f"{spec.name}.yaml").write_text(dump_corpus(spec))
    bag = load_dags()
    assert bag.import_errors == {}
    return bag.dags[f"corpus_{spec.name}"]


class TestEveryShippedCorpusHasADag:
    def test_all_import_without_error(self) -> None:
        bag = load_dags()
        assert bag.import_errors == {}
        shipped = {f"corpus_{path.stem}" for path in (ROOT / "include" / "corpora").glob("*.yaml")}
        assert shipped == {dag_id for dag_id in bag.dags if not dag_id.startswith("release_")}
        assert not any("broken corpus file" in dag.tags for dag in bag.dags.values())


class TestShape:
    def test_tasks_run_in_the_designed_order(self, dag: Any) -> None:
        downstream = {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}
        assert downstream["preflight"] == ["plan"]
        assert "shard.generate" in downstream["plan"]
        assert downstream["shard.generate"] == ["shard.validate"]
        assert downstream["shard.validate"] == ["shard.publish"]
        assert downstream["shard.publish"] == ["close_night"]
        assert downstream["close_night"] == []

    def test_shards_are_finished_one_before_the_next_begins(self, dag: Any) -> None:
        for name in ("generate", "validate", "publish"):
            assert dag.task_dict[f"shard.{name}"].weight_rule == "upstream"

    def test_generation_is_held_back_by_the_pool(self, dag: Any) -> None:
        assert dag.task_dict["shard.generate"].pool == "engines"
        assert dag.task_dict["shard.validate"].pool == "default_pool"

    def test_writing_goes_to_the_queue_near_the_engines_where_there_is_one(
        self, corpora: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec()))
        usual = load_dags().dags["corpus_tiny"].task_dict
        assert usual["shard.generate"].queue == usual["shard.validate"].queue
        monkeypatch.setenv("PHRASEMILL_GENERATION_QUEUE", "generation")
        tasks = load_dags().dags["corpus_tiny"].task_dict
        assert [name for name, task in tasks.items() if task.queue == "generation"] == ["shard.generate"]

    def test_how_many_shards_are_gated_and_published_at_once_is_a_setting(
        self, corpora: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec()))
        tasks = load_dags().dags["corpus_tiny"].task_dict
        assert [tasks[f"shard.{name}"].max_active_tis_per_dagrun for name in ("validate", "publish")] == [2, 4]
        monkeypatch.setenv("PHRASEMILL_VALIDATE_TASKS", "6")
        monkeypatch.setenv("PHRASEMILL_PUBLISH_TASKS", "12")
        tasks = load_dags().dags["corpus_tiny"].task_dict
        assert [tasks[f"shard.{name}"].max_active_tis_per_dagrun for name in ("validate", "publish")] == [6, 12]
        monkeypatch.setenv("PHRASEMILL_VALIDATE_TASKS", "many")
        broken = load_dags().dags["corpus_tiny"]
        assert "PHRASEMILL_VALIDATE_TASKS is 'many'; write a number of tasks such as 2" in broken.doc_md

    def test_mapped_instances_are_named_after_their_shard(self, dag: Any) -> None:
        assert "label" in dag.task_dict["shard.publish"].map_index_template

    def test_the_last_task_always_runs_and_updates_one_asset(self, dag: Any) -> None:
        close = dag.task_dict["close_night"]
        assert close.trigger_rule == "all_done"
        assert [asset.name for asset in close.outlets] == ["corpus_" + dag.dag_id.removeprefix("corpus_")]
        assert all(not task.outlets for task in dag.tasks if task.task_id != "close_night")

    def test_schedule_is_read_in_the_corpus_s_time_zone(self, dag: Any) -> None:
        assert "Europe/Berlin" in str(dag.timetable.timezone)

    def test_form_takes_shards_or_a_count(self, dag: Any) -> None:
        assert set(dag.params) == {"shards", "next_shards"}
        dag.params["shards"] = "0-3, 7"
        dag.params.validate()
        with pytest.raises(Exception, match="all of them"):
            dag.params["shards"] = "all of them"


class TestABrokenCorpusFile:
    def test_it_gets_a_dag_that_says_what_is_wrong(self, corpora: Path) -> None:
        (corpora / "oops.yaml").write_text("name: oops\nlanguage: tlh\n")
        spec = make_spec()
        (corpora / f"{spec.name}.yaml").write_text(dump_corpus(spec))
        bag = load_dags()
        assert bag.import_errors == {}
        assert set(bag.dags) == {"corpus_oops", f"corpus_{spec.name}", f"release_{spec.name}"}
        broken = bag.dags["corpus_oops"]
        assert "broken corpus file" in broken.tags
        assert "oops.yaml:2: language" in broken.doc_md
