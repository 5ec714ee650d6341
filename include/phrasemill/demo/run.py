"""A Dag run of the demo, as Airflow's API knows it, and what is said of one that failed."""

from dataclasses import dataclass
from typing import Any

from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.progress_line import FAILED

LOOK_EVERY_S = 1.0
LOG_TAIL = 8
ENDED = {"success", "failed"}


@dataclass(frozen=True)
class Run:
    """One Dag run, as Airflow's API knows it."""

    api: DemoAirflow
    dag_id: str
    run_id: str

    @property
    def page(self) -> str:
        """Its page in the UI."""
        return f"{self.api.url}/dags/{self.dag_id}/runs/{self.run_id}"

    def state(self) -> str:
        """queued, running, success or failed."""
        return self.api.run_state(self.dag_id, self.run_id)

    def instances(self) -> list[dict[str, Any]]:
        """Its task instances."""
        return self.api.task_instances(self.dag_id, self.run_id)


def what_failed(run: Run) -> str:
    """The first task that failed of itself, and the last of its log."""
    instances = run.instances()
    failed = [entry for entry in instances if entry["state"] == "failed"]
    if not failed:
        stuck = sorted({entry["task_id"] for entry in instances if entry["state"] in FAILED})
        return f"the run is red, though no task failed of itself ({', '.join(stuck) or 'none'}): {run.page}"
    first = min(failed, key=lambda entry: str(entry["end_date"]))
    name = first["task_id"] + (f" [{first['rendered_map_index']}]" if first["rendered_map_index"] else "")
    others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    lines = [line for entry in run.api.log_lines(first) if (line := _said(entry))]
    tail = "\n  ".join(lines[-LOG_TAIL:])
    return f"task {name} failed{others}; the last of its log:\n  {tail}\n  the run: {run.page}"


def _said(entry: dict[str, Any]) -> str:
    detail = entry.get("error_detail") or []
    raised = f"{detail[0]['exc_type']}: {detail[0]['exc_value']}" if detail else ""
    return " ".join(part for part in (str(entry.get("event", "")).strip(), raised) if part)
