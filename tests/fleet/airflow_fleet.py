"""Airflow on a fleet: its own processes on one node, Celery workers on nodes of their own."""

import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from phrasemill.airflow.corpus_dag import GENERATION_QUEUE
from phrasemill.corpus_file import CORPORA_VARIABLE
from phrasemill.demo.layout import Layout
from tests.fleet.network import Node
from tests.scheduler.airflow_server import ROOT, AirflowServer

PORT = 8080
QUEUE = "generation"
WORKER_SLOTS = 2
PATIENCE_S = 180.0
SETTINGS = {
    "CORE__EXECUTOR": "CeleryExecutor",
    "CORE__PARALLELISM": "8",
    "CELERY__WORKER_CONCURRENCY": str(WORKER_SLOTS),
    "CELERY__SYNC_PARALLELISM": "1",
    # A task is taken for lost, and tried again elsewhere, when nothing was heard of it for so long: 300 s by default.
    # It must outlast a restart of the API server, through which all tasks are heard of.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # A message on its way to a worker that is cut off is lost, and sent again after so long: 600 s by default. It must
    # outlast the waiting for a worker that is busy.
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    # How long a task bears an API server that is away: by default 5 tries with waits that double, up to 90 s. Short
    # waits and more of them bear it for longer, and heartbeats come again as soon as it is back.
    "WORKERS__EXECUTION_API_RETRIES": "15",
    "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "5",
    # A worker's slot is free again so long after a task's end at most: 5 s by default.
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


@dataclass(frozen=True)
class NodeLayout(Layout):
    """The demo's layout, on another host."""

    host: str = ""

    def url(self, server: str) -> str:
        return f"http://{self.host}:{self.ports[server]}"


class FleetAirflow(AirflowServer):
    """api-server, scheduler and dag-processor on one node, and what the workers of other nodes are told."""

    def __init__(self, node: Node, *, database: str, broker: str) -> None:
        self._node = node
        own = {
            "CELERY__BROKER_URL": broker,
            "CELERY__RESULT_BACKEND": f"db+{database}",
            "API__HOST": node.address,
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(64),
        }
        self._settings = {f"AIRFLOW__{name}": value for name, value in (SETTINGS | own).items()}
        super().__init__(node.folder, database=database)

    def worker_environment(self, node: Node) -> dict[str, str]:
        """What a worker on this node is told: where to ask for work, and nothing of Airflow's own database."""
        environment = self._environment() | _at_home(node)
        del environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        return environment

    def _layout(self, folder: Any) -> Layout:
        return NodeLayout(root=ROOT, state=folder, models=folder, ports={"airflow": PORT}, host=self._node.address)

    def _popen(self, command: list[str], **how: Any) -> "subprocess.Popen[Any]":
        return self._node.popen(command, **how)

    def _environment(self) -> dict[str, str]:
        return super()._environment() | self._settings | _at_home(self._node) | {GENERATION_QUEUE: QUEUE}


class Worker:
    """A Celery worker on a node; it knows its queues, its slots, and addresses."""

    def __init__(self, node: Node, airflow: FleetAirflow) -> None:
        self.node, self._airflow = node, airflow
        self.corpora = node.folder / "corpora"
        self.corpora.mkdir()

    def start(self) -> None:
        logs = self.node.folder / "logs"
        logs.mkdir()
        command = [sys.executable, "-m", "airflow", "celery", "worker", "--queues", f"default,{QUEUE}"]
        with (logs / "worker.log").open("ab") as log:
            self.node.popen(command, env=self._airflow.worker_environment(self.node), stdout=log, stderr=log)


def await_workers(broker: str, names: set[str]) -> None:
    """Wait until workers answer that have these hostnames."""
    deadline = time.monotonic() + PATIENCE_S
    app = Celery(broker=broker)
    found: set[str] = set()
    while found != names:
        if time.monotonic() > deadline:
            raise TimeoutError(f"of the workers {sorted(names)} only {sorted(found)} answer")
        try:
            answers = app.control.ping(timeout=1)
        except OperationalError:  # the broker is away
            time.sleep(0.5)
        else:
            found = {name.partition("@")[2] for answer in answers for name in answer}


def _at_home(node: Node) -> dict[str, str]:
    """Nothing outside the node's folder is written to."""
    own = {"HOME": "home", "TMPDIR": "tmp", "AIRFLOW_HOME": "airflow", CORPORA_VARIABLE: "corpora"}
    for name in own.values():
        (node.folder / name).mkdir(exist_ok=True)
    return {variable: os.fspath(node.folder / name) for variable, name in own.items()}
