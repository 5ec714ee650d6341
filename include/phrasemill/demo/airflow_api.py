"""The few calls of Airflow's public REST API (v2) that the demo makes."""

import json
from typing import Any
from urllib.parse import quote

import httpx

from phrasemill.demo.errors import AirflowRefused
from phrasemill.demo.keys import ADMIN

TIMEOUT_S = 30.0  # a busy two-core machine answers in seconds at times
RUN_PAGE = 1000


class AirflowApi:
    """Airflow as its user `admin` sees it.

    Every method raises AirflowRefused, with Airflow's own words, when a call fails.
    """

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._password = password
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._log_in()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Make the pool, or give it these slots."""
        body = {"slots": slots, "description": description, "include_deferred": False}
        if self._exists(f"/pools/{name}"):
            self._call("PATCH", f"/pools/{name}", json={"pool": name} | body)
        else:
            self._call("POST", "/pools", json={"name": name} | body)

    def set_connection(self, conn_id: str, conn_type: str, **fields: Any) -> None:  # noqa: ANN401
        """Make the connection, or give it these fields; `extra` is a mapping."""
        fields["extra"] = json.dumps(fields.get("extra", {}))
        body = {"connection_id": conn_id, "conn_type": conn_type} | fields
        if self._exists(f"/connections/{conn_id}"):
            self._call("PATCH", f"/connections/{conn_id}", json=body)
        else:
            self._call("POST", "/connections", json=body)

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
        """Runs of a Dag, oldest first, up to 100."""
        params = {"order_by": "run_after", "limit": 100}
        found: list[dict[str, Any]] = self._call("GET", f"/dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return found

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

    def _log_in(self) -> None:
        answer = self._send("POST", "/auth/token", json={"username": ADMIN, "password": self._password})
        if answer.is_error:
            raise AirflowRefused(f"Airflow at {self.url} refuses the demo's login ({_words(answer)}); run make reset")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _exists(self, path: str) -> bool:
        answer = self._send("GET", f"/api/v2{path}")
        if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
            raise AirflowRefused(f"Airflow: GET {path}: {_words(answer)}")
        return not answer.is_error

    def _call(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401
        answer = self._send(method, f"/api/v2{path}", **arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # the token is good for a day; demos may be older
            self._log_in()
            answer = self._send(method, f"/api/v2{path}", **arguments)
        if answer.is_error:
            raise AirflowRefused(f"Airflow: {method} {path}: {_words(answer)}")
        return answer.json() if answer.content else None

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return self._http.request(method, path, headers={"Accept": "application/json"}, **arguments)
        except httpx.HTTPError as error:
            raise AirflowRefused(f"Airflow at {self.url} does not answer ({error}); see make status") from error


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = answer.text
    return f"{answer.status_code} {str(said)[:300]}"
