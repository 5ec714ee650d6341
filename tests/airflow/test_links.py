"""Links on the tasks of a shard, as Airflow's API gives them to its UI."""

import datetime as dt
from pathlib import Path

import pytest

from tests.airflow.browsers import browser
from tests.servers import S3Server
from tests.specs import SPEC_YAML

pytestmark = pytest.mark.usefixtures("airflow_database")

NIGHT = dt.datetime(2026, 11, 1, 21, tzinfo=dt.UTC)
ALONE = "/phrasemill/dags/corpus_linked/shards"
FRAMED = f"/plugin/phrasemill-corpora{ALONE}"


@pytest.fixture
def tasks(app, s3_server: S3Server, corpora: Path, connect_s3: None):
    """The links of a task of a night that takes shards 2 and 3, none of whose tasks has begun."""
    from airflow.dag_processing.dagbag import DagBag

    bucket = s3_server.new_bucket(s3_server.endpoint)
    text = SPEC_YAML.replace("name: tiny", "name: linked", 1) + f"storage: {{bucket: {bucket}}}\n"
    (corpora / "linked.yaml").write_text(text, encoding="utf-8")
    dag = DagBag(str(Path(__file__).parents[2] / "dags")).dags["corpus_linked"]
    run = dag.test(logical_date=NIGHT + dt.timedelta(days=1), mark_success_pattern=r"preflight|shard\..*|close_night")
    run_url = f"/api/v2/dags/corpus_linked/dagRuns/{run.run_id}/taskInstances"
    client = browser(app, role="viewer")

    def links(task_id: str, map_index: int = -1) -> dict[str, str]:
        answer = client.get(f"{run_url}/{task_id}/links", params={"map_index": map_index})
        assert answer.status_code == 200, answer.text
        return answer.json()["extra_links"]

    links.run_id = run.run_id
    return links


class TestATaskOfAShard:
    def test_leads_to_the_shard_its_manifest_and_its_verdict(self, tasks):
        for task_id in ("shard.generate", "shard.validate", "shard.publish"):
            for map_index, shard in ((0, 2), (1, 3)):
                assert tasks(task_id, map_index) == {
                    "Shard": f"{FRAMED}/{shard}",
                    "Manifest": f"{ALONE}/{shard}/manifest.json",
                    "Verdict": f"{ALONE}/{shard}/verdict.json",
                }

    def test_goes_by_its_label_once_it_has_begun(self, tasks):
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import update

        with create_session() as session:
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.run_id == tasks.run_id, TaskInstance.task_id == "shard.generate")
                .where(TaskInstance.map_index == 0)
                .values(_rendered_map_index="shard-00001")
            )
        assert tasks("shard.generate", 0)["Shard"] == f"{FRAMED}/1"

    def test_stores_nothing_for_it(self, tasks):
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            keys = set(session.scalars(select(XComModel.key).where(XComModel.run_id == tasks.run_id)))
        assert keys == {"night", "return_value"}

    def test_is_shown_as_a_python_task_like_the_others(self, app):
        from airflow.dag_processing.dagbag import DagBag

        dag = next(iter(DagBag(str(Path(__file__).parents[2] / "dags")).dags.values()))
        assert {task.operator_name for task in dag.tasks} == {"@task"}


class TestOtherTasks:
    def test_have_no_links(self, tasks):
        for task_id in ("preflight", "plan", "close_night"):
            assert tasks(task_id) == {}


class TestUnderAPathOfItsOwn:
    def test_links_lead_to_where_airflow_is(self, tasks, monkeypatch):
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://house.example/airflow/")
        links = tasks("shard.publish", 0)
        assert links["Manifest"] == f"/airflow{ALONE}/2/manifest.json"
        assert links["Shard"] == f"/airflow/plugin/phrasemill-corpora/airflow{ALONE}/2"
