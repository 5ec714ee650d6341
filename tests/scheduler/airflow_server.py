"""A real Airflow for these tests: the demo's processes on free ports, with a home and corpus files of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psutil

from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.keys import ADMIN
from phrasemill.demo.layout import Layout
from phrasemill.demo.parts import airflow_parts
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "scheduler-tests"
PARTS = ("api-server", "scheduler", "dag-processor")  # no task of ours is deferred, so there is no triggerer
SETTINGS = {
    # After how many seconds a dead scheduler's tasks go to the next one: 30 and 300 by default.
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",  # all corpus files are there before it starts
}


class Api(DemoAirflow):
    """What these tests press beside what the demo does."""

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """`Clear run`, `Only failed tasks`."""
        body = {"dry_run": False, "only_failed": True}
        self._call("POST", f"/dags/{dag_id}/dagRuns/{quote(run_id)}/clear", json=body)

    def backfill_is_open(self, dag_id: str) -> bool:
        """Whether a backfill goes on. Its runs may have ended half a minute before."""
        backfills = self._call("GET", "/backfills", params={"dag_id": dag_id})["backfills"]
        return any(backfill["completed_at"] is None for backfill in backfills)


class AirflowServer:
    """api-server, scheduler and dag-processor, each a process that a test may kill and start again.

    Args:
        folder: the home; corpus files go to `corpora` in it before `start`.
        database: the address of an empty database.
    """

    def __init__(self, folder: Path, *, database: str) -> None:
        self._database = database
        self.layout = self._layout(folder)
        self.corpora = self.layout.corpora
        self.corpora.mkdir(parents=True)
        self._parts = {part.name: part for part in airflow_parts(self.layout)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> Self:
        self.prepare()
        for name in PARTS:
            self.launch(name)
        for name in PARTS:
            self.await_healthy(name)
        return self

    def prepare(self) -> None:
        """Make the home and the database's tables."""
        self.layout.logs.mkdir()
        self.layout.airflow_home.mkdir(exist_ok=True)
        passwords = self.layout.airflow_home / "simple_auth_manager_passwords.json.generated"
        passwords.write_text(f'{{"{ADMIN}": "{PASSWORD}"}}\n', encoding="utf-8")
        self.command("db", "migrate")

    def api(self) -> Api:
        return Api(self.layout.url("airflow"), PASSWORD)

    def command(self, *arguments: str) -> str:
        """Run an `airflow` command to its end; what it prints."""
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "airflow", *arguments]
        process = self._popen(command, env=self._environment(), stdout=pipe, stderr=pipe, text=True)
        said, complained = process.communicate(timeout=180)
        assert process.returncode == 0, said + complained
        return str(said)

    def launch(self, name: str) -> None:
        with self._log(name).open("ab") as log:
            self._processes[name] = self._popen(
                [sys.executable, *self._parts[name].command[1:]],
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_healthy(self, name: str) -> None:
        part = self._parts[name]
        deadline = time.monotonic() + part.patience_s
        while not part.healthy():
            if time.monotonic() > deadline or self._processes[name].poll() is not None:
                raise RuntimeError(f"Airflow's {name} did not come up: {self._log(name).read_text()[-3000:]}")
            time.sleep(0.25)

    def kill(self, name: str) -> None:
        """SIGKILL to the process group: of the scheduler, its executor too.

        Tasks that run have groups of their own. They live on, with nobody left to report to.
        """
        process = self._processes[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def task_process(self, instance: dict[str, Any]) -> psutil.Process | None:
        """The process that runs a task instance now; Airflow gives it the instance's id for a title."""
        title = f"airflow worker -- {instance['id']}"
        return next((process for process in self._ours() if title in " ".join(process.cmdline())), None)

    def stop(self) -> None:
        for process in self._ours():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for child in self._processes.values():
            child.wait()

    def _layout(self, folder: Path) -> Layout:
        ports = {name: free_port() for name in ("airflow", "s3", "engine")}
        return Layout(root=ROOT, state=folder, models=folder, ports=ports)

    def _popen(self, command: list[str], **how: Any) -> "subprocess.Popen[Any]":
        return subprocess.Popen(command, **how)

    def _log(self, name: str) -> Path:
        return self.layout.logs / f"{name}.log"

    def _ours(self) -> list[psutil.Process]:
        """What was started here, and all that it has started in turn, its parent alive or not."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("AIRFLOW_HOME") == str(self.layout.airflow_home):
                    found.append(process)
        return found

    def _environment(self) -> dict[str, str]:
        settings = {f"AIRFLOW__{name}": value for name, value in SETTINGS.items()}
        # Airflow names its processes by setproctitle, which else writes over the environment that others see.
        own = {"PHRASEMILL_CORPORA": str(self.corpora), "SPT_NOENV": "1"}
        own |= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._database}
        return self._parts["scheduler"].full_environment() | settings | own
