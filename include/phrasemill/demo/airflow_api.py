"""The few calls of Airflow's public REST API (v2) that the demo makes besides those on connections and pools."""

from typing import Any
from urllib.parse import quote

from phrasemill.airflow_api import AirflowApi, Login
from phrasemill.demo.keys import ADMIN

RUN_PAGE = 1000


class DemoAirflow(AirflowApi):
    """The demo's Airflow as its user `admin` sees it."""

    login_fix = "run make reset"
    silence_fix = "see make status"

    def __init__(self, url: str, password: str) -> None:
        super().__init__(url, Login(username=ADMIN, password=password), trust_env=False)

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """The Dag as it was parsed last, or None while Airflow does not know it."""
        return self._call("GET", f"/dags/{dag_id}") if self._exists(f"/dags/{dag_id}") else None

    def dags(self) -> list[dict[str, Any]]:
        """All Dags."""
        found: list[dict[str, Any]] = self._call("GET", "/dags", params={"limit": 100})["dags"]
        return found

    def import_errors(self) -> list[str]:
        """Files that could not be parsed, each with the last line of its traceback."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def parse_again(self, file_token: str) -> None:
        """Have a Dag file parsed before its time."""
        self._call("PUT", f"/parseDagFile/{file_token}")

    def unpause(self, dag_id: str) -> None:
        """Let the Dag's runs run."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run by hand; returns its id."""
        body = {"logical_date": None, "conf": conf}
        return str(self._call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The latest runs of a Dag, oldest first, up to 100."""
        params = {"order_by": "-run_after", "limit": 100}
        found: list[dict[str, Any]] = self._call("GET", f"/dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return found[::-1]

    def clear(self, dag_id: str, run_id: str) -> None:
        """Have all tasks of a run done again."""
        body = {"dry_run": False, "only_failed": False}
        self._call("POST", f"/dags/{dag_id}/dagRuns/{quote(run_id)}/clear", json=body)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self._call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run: mapped ones apart, up to 1,000."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        found: list[dict[str, Any]] = self._call("GET", path, params={"limit": RUN_PAGE})["task_instances"]
        return found

    def log_lines(self, instance: dict[str, Any]) -> list[dict[str, Any]]:
        """The log of a task instance's last try, an entry for each line, `event` being its text."""
        run = f"/dags/{instance['dag_id']}/dagRuns/{quote(instance['dag_run_id'])}"
        path = f"{run}/taskInstances/{instance['task_id']}/logs/{instance['try_number']}"
        params = {"map_index": instance["map_index"], "full_content": True}
        content: list[Any] = self._call("GET", path, params=params)["content"]
        return [entry for entry in content if isinstance(entry, dict)]
