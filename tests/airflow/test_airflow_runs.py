"""What Airflow's database tells of shards and nights: the latest run, the most telling task, in few queries."""

import datetime as dt
import itertools

import pytest

from tests.airflow.rows import add_dag, add_plan, add_run, add_tasks, counted_queries

pytestmark = pytest.mark.usefixtures("airflow_database")

GENERATE, VALIDATE, PUBLISH = "shard.generate", "shard.validate", "shard.publish"
DONE = {GENERATE: "success", VALIDATE: "success", PUBLISH: "success"}
_numbers = itertools.count()


@pytest.fixture
def dag_id():
    """A Dag of this test alone."""
    return f"corpus_runs{next(_numbers)}"


def labels(*shards):
    return {index: f"shard-{shard:05d}" for index, shard in enumerate(shards)}


class TestShardsOfARun:
    def test_are_found_by_the_labels_of_their_tasks(self, dag_id):
        from phrasemill.web.airflow_runs import shard_tasks

        add_run(dag_id, "manual__2026-11-01T21:00:00+00:00")
        add_tasks(dag_id, "manual__2026-11-01T21:00:00+00:00", DONE, indexes=[0, 1], labels=labels(40, 41))
        found = shard_tasks(dag_id)
        assert list(found) == [40, 41]
        assert (found[41].task_id, found[41].map_index, found[41].state) == (PUBLISH, 1, "success")
        # As the UI's own links have it, percent-encoded.
        run = "manual__2026-11-01T21%3A00%3A00%2B00%3A00"
        assert found[41].url == f"/dags/{dag_id}/runs/{run}/tasks/shard.publish/mapped/1"

    def test_tasks_that_have_not_begun_are_found_by_the_plan(self, dag_id):
        from phrasemill.web.airflow_runs import shard_of_task, shard_tasks

        add_run(dag_id, "run")
        add_plan(dag_id, "run", shards=[7, 9])
        add_tasks(dag_id, "run", {GENERATE: "queued", VALIDATE: None, PUBLISH: None}, indexes=[0, 1])
        found = shard_tasks(dag_id)
        assert {shard: (task.task_id, task.state) for shard, task in found.items()} == {
            7: (GENERATE, "queued"),
            9: (GENERATE, "queued"),
        }
        assert shard_of_task(dag_id, "run", task_id=PUBLISH, map_index=1) == 9

    def test_without_label_and_plan_a_task_is_of_no_shard(self, dag_id):
        from phrasemill.web.airflow_runs import shard_of_task, shard_tasks

        add_run(dag_id, "run")
        add_tasks(dag_id, "run", {GENERATE: None}, indexes=[0])
        assert shard_tasks(dag_id) == {}
        assert shard_of_task(dag_id, "run", task_id=GENERATE, map_index=0) is None
        assert shard_of_task(dag_id, "no_such_run", task_id=GENERATE, map_index=0) is None

    def test_tasks_that_a_shorter_plan_left_over_do_not_count(self, dag_id):
        from phrasemill.web.airflow_runs import shard_tasks

        add_run(dag_id, "run")
        add_tasks(dag_id, "run", {GENERATE: "removed"}, indexes=[0], labels=labels(3))
        assert shard_tasks(dag_id) == {}

    def test_of_other_dags_nothing_is_told(self, dag_id):
        from phrasemill.web.airflow_runs import shard_tasks

        add_run(dag_id, "run")
        add_tasks(dag_id, "run", DONE, indexes=[0], labels=labels(3))
        assert shard_tasks(dag_id + "x") == {}


class TestTheMostTellingTask:
    @pytest.mark.parametrize(
        ("states", "shown"),
        [
            (("success", "failed", "upstream_failed"), VALIDATE),
            (("failed", "upstream_failed", "upstream_failed"), GENERATE),
            (("success", "running", None), VALIDATE),
            (("success", "success", "success"), PUBLISH),
            (("success", "success", None), VALIDATE),
            (("success", "scheduled", None), VALIDATE),
            ((None, None, None), GENERATE),
        ],
    )
    def test_is_one_that_failed_or_runs_else_the_furthest(self, dag_id, states, shown):
        from phrasemill.web.airflow_runs import shard_tasks

        add_run(dag_id, "run")
        by_task = dict(zip((GENERATE, VALIDATE, PUBLISH), states, strict=True))
        add_tasks(dag_id, "run", by_task, indexes=[0], labels=labels(5))
        assert shard_tasks(dag_id)[5].task_id == shown
        assert shard_tasks(dag_id)[5].state == by_task[shown]


class TestSeveralRuns:
    def test_the_one_begun_last_is_shown_even_where_it_was_made_first(self, dag_id):
        from phrasemill.web.airflow_runs import shard_tasks

        add_run(dag_id, "made_first_and_cleared_later", begun=9)
        add_run(dag_id, "made_second", begun=5)
        for run in ("made_first_and_cleared_later", "made_second"):
            add_tasks(dag_id, run, DONE, indexes=[0], labels=labels(2))
        assert shard_tasks(dag_id)[2].run_id == "made_first_and_cleared_later"

    def test_each_shard_has_its_own_latest(self, dag_id):
        from phrasemill.web.airflow_runs import shard_tasks

        add_run(dag_id, "night", begun=1)
        add_tasks(dag_id, "night", DONE, indexes=range(3), labels=labels(0, 1, 2))
        add_run(dag_id, "again", begun=2)
        add_tasks(dag_id, "again", DONE | {PUBLISH: "failed"}, indexes=[0], labels=labels(1))
        assert {shard: task.run_id for shard, task in shard_tasks(dag_id).items()} == {
            0: "night",
            1: "again",
            2: "night",
        }


class TestManyShards:
    def test_four_hundred_cost_two_queries(self, dag_id):
        from phrasemill.web.airflow_runs import shard_tasks

        for night in range(4):
            add_run(dag_id, f"night{night}", begun=night)
            shards = list(range(night * 100, night * 100 + 100))
            add_plan(dag_id, f"night{night}", shards=shards)
            known = labels(*shards) if night < 3 else {}
            add_tasks(dag_id, f"night{night}", DONE, indexes=range(100), labels=known)
        with counted_queries() as asked:
            found = shard_tasks(dag_id)
        assert list(found) == list(range(400))
        assert len(asked) == 2


class TestNights:
    def test_are_found_by_label_with_their_latest_run(self, dag_id):
        from phrasemill.web.airflow_runs import night_runs

        for run, begun, state in (("first", 1, "failed"), ("second", 2, "running"), ("third", 3, "success")):
            add_run(dag_id, run, begun=begun, state=state)
        add_plan(dag_id, "first", shards=[0], label="2026-11-01")
        add_plan(dag_id, "second", shards=[0], label="2026-11-01")
        add_plan(dag_id, "third", shards=[1], label="2026-11-02")
        add_run(dag_id, "not_planned_yet", begun=4)
        with counted_queries() as asked:
            found = night_runs(dag_id)
        assert len(asked) == 1
        assert {label: (run.run_id, run.state) for label, run in found.items()} == {
            "2026-11-01": ("second", "running"),
            "2026-11-02": ("third", "success"),
        }
        assert found["2026-11-02"].report_url == f"/dags/{dag_id}/runs/third/plugin/phrasemill-report"
        assert found["2026-11-02"].quality_url == f"/dags/{dag_id}/runs/third/plugin/phrasemill-quality"

    def test_a_value_that_is_no_night_is_passed_over(self, dag_id):
        from airflow.models.xcom import XComModel

        from phrasemill.web.airflow_runs import night_runs

        add_run(dag_id, "run")
        add_plan(dag_id, "run", shards=[0])
        XComModel.set("night", "s3://elsewhere/night.json", dag_id=dag_id, run_id="run", task_id="plan")
        assert night_runs(dag_id) == {}


class TestTimetables:
    def test_a_paused_dag_has_no_next_run(self, dag_id):
        from phrasemill.web.airflow_runs import Timetable, timetables

        tonight = dt.datetime(2026, 11, 23, 21, tzinfo=dt.UTC)
        add_dag(f"{dag_id}_on", next_run=tonight)
        add_dag(f"{dag_id}_off", next_run=tonight, paused=True)
        add_dag(f"{dag_id}_gone", next_run=tonight, stale=True)
        found = timetables([f"{dag_id}_{name}" for name in ("on", "off", "gone", "unknown")])
        assert found == {f"{dag_id}_on": Timetable(False, tonight), f"{dag_id}_off": Timetable(True, None)}
