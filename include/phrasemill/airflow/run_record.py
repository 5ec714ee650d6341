"""What Airflow knows of a run that has ended, as a Dag's callback may ask: states of its tasks, and their XComs.

Dag callbacks run in the Dag processor, which has no access to Airflow's database: both are asked of its supervisor.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.providers.common.compat.sdk import redact
from airflow.sdk.exceptions import AirflowRuntimeError

from phrasemill.airflow.notice_texts import Failure, one_line

log = logging.getLogger(__name__)

FAILED_BECAUSE = "failed_because"
"""XCom key: a failed task's error in its own words."""
REASON_KEPT = 4000
"""Characters of it: an XCom is a row of Airflow's database, and an error may quote a whole answer of a server."""
UNMAPPED = -1


def keep_reason(context: Mapping[str, Any]) -> None:
    """Callback of a task that has failed for good: keep its error for a notice, without what Airflow masks in logs.

    A task that was killed has no error to keep. On one line, and with what does not print spelled out: PostgreSQL takes
    no XCom with a NUL in it.
    """
    error = context.get("exception")
    if isinstance(error, BaseException):
        why = str(error) or type(error).__name__
        context["ti"].xcom_push(key=FAILED_BECAUSE, value=one_line(str(redact(why)), most=REASON_KEPT))


def run_page(dag_id: str, run_id: str) -> str:
    """The address of a run in Airflow's UI."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"


class RunRecord:
    """One run. What cannot be asked now is taken for unknown: the notice goes out all the same.

    Args:
        context: of a Dag's callback.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.dag, self.run_id = context["dag"], str(context["run_id"])
        self.dag_id = str(self.dag.dag_id)
        self.states = self._states()

    @property
    def page(self) -> str:
        """The address of the run in Airflow's UI."""
        return run_page(self.dag_id, self.run_id)

    def xcom(self, task_id: str, key: str = "return_value", *, map_index: int = UNMAPPED) -> Any:  # noqa: ANN401
        """What a task has left under a key; None if it has not."""
        from airflow.sdk.execution_time.xcom import XCom  # noqa: PLC0415 - slow, and of no use while Dags are parsed

        try:
            return XCom.get_one(
                key=key,
                dag_id=self.dag_id,
                task_id=task_id,
                run_id=self.run_id,
                map_index=None if map_index == UNMAPPED else map_index,
            )
        except AirflowRuntimeError as error:
            log.warning("the XCom %s of %s is left out of the notice: %s", key, task_id, error)
            return None

    def succeeded(self, task_id: str) -> bool:
        """Whether the task, or an instance of a mapped one, has succeeded in this run."""
        return any(name == task_id and state == "success" for name, _, state in self._instances())

    def failures(self, *, labels: Mapping[int, str] | None = None) -> list[Failure] | None:
        """The failed tasks in the order in which the Dag runs them; only the first one comes with its reason.

        None if Airflow did not tell the states of tasks.

        Args:
            labels: what instances of tasks in a group are called, by map index.
        """
        if self.states is None:
            return None
        order = {task.task_id: place for place, task in enumerate(self.dag.topological_sort())}
        failed = sorted((order[name], number, name) for name, number, state in self._instances() if state == "failed")
        found: list[Failure] = []
        for _, number, name in failed:
            reason = None if found else self.xcom(name, FAILED_BECAUSE, map_index=number)
            found.append(Failure(_named(name, number, labels or {}), reason))
        return found

    def _instances(self) -> Iterator[tuple[str, int, str]]:
        """Task id, map index and state of each; Airflow writes the first two as one, `shard.generate_12`."""
        tasks = set(self.dag.task_ids)
        for key, state in (self.states or {}).items():
            task_id, _, number = key.rpartition("_")
            if key in tasks:
                yield key, UNMAPPED, str(state)
            elif task_id in tasks and number.isdecimal():
                yield task_id, int(number), str(state)

    def _states(self) -> dict[str, Any] | None:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance  # noqa: PLC0415 - as above

        try:
            states = RuntimeTaskInstance.get_task_states(dag_id=self.dag_id, run_ids=[self.run_id])
        except AirflowRuntimeError as error:
            log.warning("the states of %s are left out of the notice: %s", self.run_id, error)
            return None
        of_run: dict[str, Any] = states.get(self.run_id, {})
        return of_run


def _named(task_id: str, map_index: int, labels: Mapping[int, str]) -> str:
    if map_index == UNMAPPED:
        return task_id
    if "." in task_id and map_index in labels:
        return f"{task_id.rpartition('.')[2]} of {labels[map_index]}"
    return f"{task_id} [{map_index}]"
