"""Rows of Airflow's database, as runs of a corpus Dag leave them there, without running one."""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

BEGINNING = dt.datetime(2026, 11, 1, 21, tzinfo=dt.UTC)


def add_dag(dag_id: str, *, paused: bool = False, stale: bool = False, next_run: dt.datetime | None = None) -> None:
    """A Dag that has been parsed; done again, it is brought up to date."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
        session.flush()
        row = DagModel(dag_id=dag_id, bundle_name="dags-folder", is_paused=paused, is_stale=stale)
        row.next_dagrun_create_after = next_run
        session.merge(row)


def add_run(dag_id: str, run_id: str, *, begun: int = 0, state: str = "success") -> None:
    """A run; `begun` is the minute in which it was begun, or begun again."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    moment = BEGINNING + dt.timedelta(minutes=begun)
    with create_session() as session:
        run = DagRun(dag_id, run_id, run_type="manual", run_after=BEGINNING, queued_at=moment, start_date=moment)
        run._state = state
        session.add(run)


def add_tasks(
    dag_id: str,
    run_id: str,
    states: dict[str, str | None],
    *,
    indexes: Iterable[int],
    labels: dict[int, str] | None = None,
) -> None:
    """Instances of mapped tasks, by task id; those that have a label began, and wrote it down."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import insert

    common: dict[str, Any] = {"dag_id": dag_id, "run_id": run_id, "try_number": 1, "max_tries": 3, "pool": "engines"}
    rows = [
        common
        | {"id": uuid.uuid4(), "task_id": task_id, "map_index": index, "state": state}
        | {"rendered_map_index": (labels or {}).get(index)}
        for task_id, state in states.items()
        for index in indexes
    ]
    with create_session() as session:
        session.execute(insert(TaskInstance.__table__), rows)


def add_plan(dag_id: str, run_id: str, *, shards: list[int] | None = None, label: str | None = None) -> None:
    """The plan of a run, done: the shards that it returned, and the night that it told of."""
    from airflow.models.xcom import XComModel

    add_tasks(dag_id, run_id, {"plan": "success"}, indexes=[-1])
    of_plan = {"dag_id": dag_id, "run_id": run_id, "task_id": "plan"}
    if shards is not None:
        planned = [{"shard": shard, "label": f"shard-{shard:05d}"} for shard in shards]
        XComModel.set("return_value", planned, **of_plan)
    if label is not None:
        XComModel.set("night", {"label": label, "number": 0, "shards": shards or []}, **of_plan)


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    from sqlalchemy import event

    from airflow import settings

    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(settings.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(settings.engine, "before_cursor_execute", note)
