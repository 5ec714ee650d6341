"""What Airflow's database knows of a corpus: its shards' tasks, its nights' runs, its next run.

Every question is one or two queries, however many shards and nights there are. Addresses are paths within Airflow's
UI, without the path that Airflow itself may lie under.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from phrasemill.airflow.tasks import NIGHT
from phrasemill.web.places import QUALITY_TAB, REPORT_TAB

PLAN = "plan"
SHARD_TASKS = ("shard.generate", "shard.validate", "shard.publish")
"""In the order in which they run."""
RESULT = "return_value"

NIGHTS = 1000
"""Runs that `night_runs` looks at: three years of nights."""
TASKS = 30_000
"""Task instances that `shard_tasks` looks at, newest runs first: three a shard, so 2,000 shards done five times."""

LABEL = re.compile(r"shard-(\d{5,})")
MOST_TELLING = ("failed", "up_for_retry", "running", "restarting", "queued", "scheduled", "deferred")
"""States that say most of a shard, first come first; of other states the task that came furthest is shown."""
SAYS_NOTHING = frozenset({None, "upstream_failed", "removed"})

# The moment at which a run began or was last begun again: clearing sets it anew.
BEGUN = func.coalesce(DagRun.queued_at, DagRun.start_date, DagRun.run_after)


@dataclass(frozen=True, slots=True)
class ShardTask:
    """The task that says most of a shard's latest run; `state` is Airflow's, None before it is scheduled."""

    run_id: str
    task_id: str
    map_index: int
    state: str | None
    url: str


@dataclass(frozen=True, slots=True)
class NightRun:
    """The latest run of a night; `state` is Airflow's."""

    run_id: str
    state: str
    url: str
    report_url: str
    quality_url: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """When Airflow starts a Dag next: never while it is paused."""

    paused: bool
    next_run: dt.datetime | None


def shard_tasks(dag_id: str) -> dict[int, ShardTask]:
    """The most telling task of the latest run of every shard that a run was ever for, by shard number.

    A shard's number is in the label that its task got when it began; of tasks that have not begun it is where the
    run's plan has it.
    """
    with create_session() as session:
        query = (
            select(
                DagRun.id,
                DagRun.run_id,
                TaskInstance.task_id,
                TaskInstance.map_index,
                TaskInstance.state,
                TaskInstance._rendered_map_index,  # the property beside it puts the index for None
            )
            .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
            .where(
                TaskInstance.dag_id == dag_id,
                TaskInstance.task_id.in_(SHARD_TASKS),
                TaskInstance.map_index >= 0,
                TaskInstance.state.is_distinct_from("removed"),
            )
            .order_by(BEGUN.desc(), DagRun.id.desc())
            .limit(TASKS)
        )
        found = session.execute(query).all()
        unlabelled = {run_id for _, run_id, _, _, _, label in found if not LABEL.fullmatch(label or "")}
        planned = _planned_shards(session, dag_id, unlabelled)
    latest: dict[int, list[tuple[str, str, int, str | None]]] = {}
    for _, run_id, task_id, map_index, state, label in found:
        match = LABEL.fullmatch(label or "")
        shard = int(match[1]) if match else planned.get((run_id, map_index))
        if shard is None:
            continue
        of_shard = latest.setdefault(shard, [])
        if not of_shard or of_shard[0][0] == run_id:
            of_shard.append((run_id, task_id, map_index, state))
    return {shard: _most_telling(dag_id, tasks) for shard, tasks in sorted(latest.items())}


def shard_of_task(dag_id: str, run_id: str, *, task_id: str, map_index: int) -> int | None:
    """The number of the shard that a mapped task is for, or None if neither its label nor the run's plan says so."""
    with create_session() as session:
        label = session.scalar(
            select(TaskInstance._rendered_map_index).where(
                TaskInstance.dag_id == dag_id,
                TaskInstance.run_id == run_id,
                TaskInstance.task_id == task_id,
                TaskInstance.map_index == map_index,
            )
        )
        if match := LABEL.fullmatch(label or ""):
            return int(match[1])
        return _planned_shards(session, dag_id, {run_id}).get((run_id, map_index))


def night_runs(dag_id: str) -> dict[str, NightRun]:
    """The latest run of every night, by the night's label; of the newest NIGHTS runs that were planned."""
    with create_session() as session:
        query = (
            select(DagRun.run_id, DagRun.state, XComModel.value)
            .join(XComModel, XComModel.dag_run_id == DagRun.id)
            .where(DagRun.dag_id == dag_id, XComModel.task_id == PLAN, XComModel.key == NIGHT)
            .order_by(BEGUN.desc(), DagRun.id.desc())
            .limit(NIGHTS)
        )
        found = session.execute(query).all()
    runs: dict[str, NightRun] = {}
    for row in found:
        night = XComModel.deserialize_value(row)
        if isinstance(night, dict) and "label" in night:
            runs.setdefault(str(night["label"]), _night_run(dag_id, row.run_id, str(row.state)))
    return runs


def timetables(dag_ids: Iterable[str]) -> dict[str, Timetable]:
    """When Airflow starts these Dags next, by Dag id; those that it does not know are left out."""
    with create_session() as session:
        query = select(DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after).where(
            DagModel.dag_id.in_(list(dag_ids)), DagModel.is_stale.is_(False)
        )
        found = session.execute(query).all()
    return {dag_id: Timetable(paused, None if paused else next_run) for dag_id, paused, next_run in found}


def run_url(dag_id: str, run_id: str) -> str:
    """A run's page in Airflow's UI."""
    return f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def task_url(dag_id: str, run_id: str, *, task_id: str, map_index: int) -> str:
    """A mapped task's page in Airflow's UI."""
    return f"{run_url(dag_id, run_id)}/tasks/{quote(task_id, safe='')}/mapped/{map_index}"


def _planned_shards(session: Session, dag_id: str, run_ids: Iterable[str]) -> dict[tuple[str, int], int]:
    """By run and map index: the shard, from the lists that the runs' plans returned."""
    wanted = list(run_ids)
    if not wanted:
        return {}
    query = select(XComModel.run_id, XComModel.value).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id.in_(wanted),
        XComModel.task_id == PLAN,
        XComModel.key == RESULT,
    )
    planned: dict[tuple[str, int], int] = {}
    for row in session.execute(query):
        shards = XComModel.deserialize_value(row)
        for map_index, shard in enumerate(shards if isinstance(shards, list) else ()):
            if isinstance(shard, dict) and isinstance(shard.get("shard"), int):
                planned[row.run_id, map_index] = shard["shard"]
    return planned


def _most_telling(dag_id: str, tasks: Iterable[tuple[str, str, int, str | None]]) -> ShardTask:
    def how_telling(task: tuple[str, str, int, Any]) -> tuple[int, int]:
        _, task_id, _, state = task
        place = SHARD_TASKS.index(task_id)
        if state in MOST_TELLING:
            return MOST_TELLING.index(state), place
        # Further on is more telling; what has not begun tells least, and of those the first in line tells most.
        return (len(MOST_TELLING), -place) if state not in SAYS_NOTHING else (len(MOST_TELLING) + 1, place)

    run_id, task_id, map_index, state = min(tasks, key=how_telling)
    url = task_url(dag_id, run_id, task_id=task_id, map_index=map_index)
    return ShardTask(run_id, task_id, map_index, None if state is None else str(state), url)


def _night_run(dag_id: str, run_id: str, state: str) -> NightRun:
    url = run_url(dag_id, run_id)
    return NightRun(
        run_id,
        state,
        url,
        report_url=f"{url}/plugin/{REPORT_TAB}",
        quality_url=f"{url}/plugin/{QUALITY_TAB}",
    )
