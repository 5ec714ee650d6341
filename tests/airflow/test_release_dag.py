"""The release Dag as Airflow sees it: light to parse, of the designed shape, started by its corpus."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.errors import SpecError
from phrasemill.release.link_steps import lexicons_of
from phrasemill.release.place import ReleasePlace
from phrasemill.release.planning import plan_release
from tests.release.committing import commit, memory_store
from tests.specs import make_spec

ROOT = Path(__file__).parents[2]
HEAVY = ("duckdb", "pyarrow", "numpy", "pandas", "polars", "great_expectations", "boto3", "rensa")
PARSE = f"""
import runpy, sys
runpy.run_path({str(ROOT / "dags" / "releases.py")!r})
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""


def load_dags() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(ROOT / "dags" / "releases.py"))


@pytest.fixture
def dag(corpora: Path) -> Any:
    spec = make_spec()
    (corpora / f"{spec.name}.yaml").write_text(dump_corpus(spec))
    bag = load_dags()
    assert bag.import_errors == {}
    return bag.dags[f"release_{spec.name}"]


class TestParsing:
    def test_it_is_light(self) -> None:
        done = subprocess.run([sys.executable, "-c", PARSE], capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout.strip() == ""

    def test_every_sound_corpus_has_one_and_a_broken_one_has_none(self, corpora: Path) -> None:
        (corpora / "oops.yaml").write_text("name: oops\nlanguage: tlh\n")
        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec()))
        bag = load_dags()
        assert bag.import_errors == {}
        assert set(bag.dags) == {"release_tiny"}

    def test_how_many_run_at_once_is_a_setting(self, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from phrasemill.airflow.release_dag import release_dags

        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec()))
        monkeypatch.setenv("PHRASEMILL_RELEASE_TASKS", "32")
        assert release_dags()["release_tiny"].task_dict["sketch"].max_active_tis_per_dagrun == 32
        for told in ("many", "0", "-1"):
            monkeypatch.setenv("PHRASEMILL_RELEASE_TASKS", told)
            with pytest.raises(SpecError, match=r"PHRASEMILL_RELEASE_TASKS is .*; write a number of tasks such as 2"):
                release_dags()


class TestShape:
    def test_tasks_run_in_the_designed_order(self, dag: Any) -> None:
        downstream = {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}
        chain = ["plan", "sketch", "exact", "near", "gather", "resolve", "files", "pack", "ring", "index", "judge"]
        for earlier, later in zip(chain, [*chain[1:], "publish"], strict=True):
            assert later in downstream[earlier], (earlier, later)
        assert {"files", "deal", "top_up"} == downstream["resolve"]
        assert downstream["deal"] == {"pack"}
        assert {"link_file", "index"} == downstream["ring"]
        assert downstream["link_file"] == {"judge"}
        assert downstream["publish"] == downstream["top_up"] == set()

    def test_large_steps_are_mapped_and_bounded_and_in_no_pool_of_engines(self, dag: Any) -> None:
        mapped = {task.task_id for task in dag.tasks if task.is_mapped}
        assert mapped == {"sketch", "exact", "near", "gather", "deal", "pack", "ring", "link_file"}
        for name in mapped:
            assert dag.task_dict[name].max_active_tis_per_dagrun == 2
            assert "label" in dag.task_dict[name].map_index_template
        assert {task.pool for task in dag.tasks} == {"default_pool"}
        assert {task.retries for task in dag.tasks} == {3}

    def test_rings_are_for_the_lexicons_that_the_step_has(self, dag: Any) -> None:
        store = memory_store(make_spec())
        for number in range(4):
            commit(store, number)
        place = ReleasePlace(store, plan_release(store, "v1"))
        assert dag.task_dict["ring"].op_kwargs_expand_input.value["lexicon"] == lexicons_of(place)

    def test_the_corpuss_asset_starts_it_and_its_end_updates_its_own(self, dag: Any) -> None:
        assert [asset.name for asset in dag.timetable.asset_condition.objects] == ["corpus_tiny"]
        outlets = {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks if task.outlets}
        assert outlets == {"publish": ["release_tiny"]}
        assert (dag.max_active_runs, dag.catchup) == (1, False)

    def test_topping_up_starts_the_corpuss_dag(self, dag: Any) -> None:
        top_up = dag.task_dict["top_up"]
        assert top_up.trigger_dag_id == "corpus_tiny"
        assert list(top_up.conf) == ["shards"]

    def test_the_form_has_what_a_release_may_be_asked_for(self, dag: Any) -> None:
        given = {name: dag.params[name] for name in dag.params}
        assert given == {"version": None, "partial": False, "top_up": True, "memory_gb": 4}
        dag.params["version"] = "v1"
        dag.params.validate()
        with pytest.raises(Exception, match=r"\.\./v1"):
            dag.params["version"] = "../v1"

    def test_its_page_says_when_it_runs_and_what_it_drops(self, dag: Any) -> None:
        assert "share 70% of their words" in dag.doc_md
        assert "corpus_tiny" in dag.doc_md
